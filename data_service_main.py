"""Makes training samples for trainers on other machines, where their processors cannot keep up.

  python data_service_main.py --port=5050 --host=10.0.0.7          on each machine that helps
  python train_main.py --cache_dir=/shared/cache --data_service=grpc://10.0.0.7:5050,... ...

The machines have to see --cache_dir by the same path. Nothing is encrypted, and whoever reaches
the two ports (--port and the one after it) can read files of this machine: use it in closed
networks only. SIGTERM or Ctrl-C ends it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

# Before TensorFlow is imported: its start-up notes would bury our lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import app, flags, logging

from drgn_tf.data import DataError
from drgn_tf.data.service import DataServer

_PORT = flags.DEFINE_integer(
    "port",
    5050,
    "Port where trainers ask for batches; the batches come from the port after it.",
    lower_bound=1,
    upper_bound=65534,
)
_HOST = flags.DEFINE_string(
    "host",
    socket.gethostname(),
    "Name or address by which trainers reach this machine. Default: its name.",
)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    # Samples are made on the CPU; a GPU here may belong to a trainer.
    tf.config.set_visible_devices([], "GPU")
    try:
        server = DataServer(_PORT.value, _HOST.value)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"makes samples at {server.address}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    app.run(main)
