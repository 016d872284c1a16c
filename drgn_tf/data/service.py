"""Samples made by other machines, for trainers whose own processors cannot keep up.

A data server is tf.data's dispatcher and one worker of it, in one process; a trainer may use
several. The servers take turns at its batches: of n, server k makes every n-th one from the k-th
on, and the trainer takes them in that order. Each batch brings its number, which the trainer
checks. So the batches and their order are those that the trainer would make itself, and a run may
be resumed with other servers, or none. (Several workers of one dispatcher deliver in the order in
which they happen to finish, and a run could not be repeated.)

A trainer sends the graph that makes its samples; of the photos that holds only the path, so the
servers have to see the cache of decoded photos by the same path.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Sequence

import tensorflow as tf

from drgn_tf.data.photos import DataError

_SECONDS_TO_ANSWER = 10
# How often a watched server is called upon, and how often in a row it may fail to answer. One that
# is started again takes longer than that to import TensorFlow, so that it is missed, too: it knows
# nothing of the run, whose next batch would never come.
_SECONDS_BETWEEN_CALLS = 1.0
_MISSED_CALLS = 3


def check_servers(servers: Sequence[str]) -> None:
    """Checks that data servers can be reached.

    Raises:
      DataError: an address is malformed, or nobody listens there.
    """
    for server in servers:
        match = re.fullmatch(r"grpc://(.+):(\d+)", server)
        if not match:
            raise DataError(f"--data_service={server}: is no address; write grpc://host:port.")
        try:
            socket.create_connection((match[1], int(match[2])), _SECONDS_TO_ANSWER).close()
        except (OSError, OverflowError) as error:
            raise DataError(
                f"--data_service={server}: no data server answers ({error}); start "
                "data_service_main.py there."
            ) from error


def watch_servers(servers: Sequence[str], lost: Callable[[DataError], None]) -> None:
    """Calls `lost`, once and from a thread of its own, when a data server has gone.

    tf.data would wait for the server's next batch for ever, and no signal would be heard.

    Args:
      servers: their addresses.
      lost: is told which one; to end the process.
    """

    def watch() -> None:
        missed = 0
        while missed < _MISSED_CALLS:
            time.sleep(_SECONDS_BETWEEN_CALLS)
            try:
                check_servers(servers)
                missed = 0
            except DataError as error:
                missed += 1
                last = error
        lost(last)

    threading.Thread(target=watch, daemon=True).start()


def made_by_servers(
    parts: Sequence[tf.data.Dataset], servers: Sequence[str], count: int
) -> tf.data.Dataset:
    """Returns the elements of the parts in turn, each part made by its server.

    Args:
      parts: a dataset a server: of n, part k has elements k, k + n, k + 2n, ...
      servers: their addresses.
      count: of all elements.
    """
    policy = tf.data.experimental.service.ShardingPolicy.OFF
    # Pixels of noisy photos do not compress.
    made = [
        part.apply(
            tf.data.experimental.service.distribute(policy, server, compression=None)
        ).prefetch(tf.data.AUTOTUNE)
        for part, server in zip(parts, servers, strict=True)
    ]
    turns = tf.data.Dataset.range(count).map(lambda number: number % len(servers))
    return tf.data.Dataset.choose_from_datasets(made, turns, stop_on_empty_dataset=False)


class DataServer:
    """Makes samples for trainers until the process ends.

    Args:
      port: where trainers ask for batches; these come from the port after it. 0 takes any two.
      host: name or address by which trainers reach this machine.

    Attributes:
      address: for --data_service.

    Raises:
      DataError: a port is in use.
    """

    def __init__(self, port: int, host: str):
        service = tf.data.experimental.service
        worker_port = port + 1 if port else 0
        try:
            # The servers themselves would share a port that is in use already.
            for number in {port, worker_port}:
                socket.create_server(("", number)).close()
            self._dispatcher = service.DispatchServer(service.DispatcherConfig(port=port))
            target = self._dispatcher.target
            self._worker = service.WorkerServer(
                service.WorkerConfig(
                    dispatcher_address=target.removeprefix("grpc://"),
                    worker_address=f"{host}:%port%",
                    port=worker_port,
                )
            )
        except (OSError, tf.errors.OpError) as error:
            raise DataError(
                f"ports {port} and {worker_port} cannot be opened; choose another --port."
            ) from error
        self.address = f"grpc://{host}:{target.rpartition(':')[2]}"
