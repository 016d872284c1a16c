"""Trains DRGN on Keras' JAX backend, for accelerators on machines without TensorFlow.

  python train_jax_main.py --flagfile=flags/lol_v1.flags --data_dir=LOL-v1 \
      --run_dir=runs/lol --steps_per_call=50

Flags, flagfiles and the folder of the run are those of train_main.py; docs/accelerators.md
has the differences. The same command continues a run that was interrupted.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from typing import NoReturn

# Before Keras is imported.
os.environ["KERAS_BACKEND"] = "jax"
if importlib.util.find_spec("jax") is None:
    sys.exit("error: JAX is not installed; see docs/accelerators.md for what to install.")

import jax
from absl import flags as absl_flags

from drgn_tf import data, jax_training, training
from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.flags import data_flags, loss_flags, model_flags, serialization, training_flags
from drgn_tf.models.context import thumbnail
from drgn_tf.training.report_table import report_table

_FLAG_MODULES = (model_flags, data_flags, loss_flags, training_flags)

# Errors whose message says what is wrong with what, and what to do.
_TOLD_TO_USERS = (
    UserError,
    jax_training.UnsupportedError,
    training.DivergedError,
    training.RunFolderError,
    OSError,
)


def _options() -> training.RunOptions:
    """Returns what the flags ask for; ValueError if they do not go together."""
    for name in ("strategy", "logical_cpus"):
        if absl_flags.FLAGS[name].value != absl_flags.FLAGS[name].default:
            raise ValueError(
                f"--{name} is not for JAX (all devices of the machine are used); leave it out."
            )
    options = training.RunOptions(
        model=model_flags.model_options(),
        loss=loss_flags.loss_options(),
        data=data_flags.data_options(),
        photometric=data_flags.photometric_options(),
        training=training_flags.training_options(),
        cadence=training_flags.cadence_options(),
    )
    jax_training.check_options(options)
    return options


def _train(options: training.RunOptions) -> None:
    folder = training.RunFolder(training_flags.run_dir())
    left_out: list[UserError] = []
    run_data = data.load_run_data(
        options.data,
        options.photometric,
        functools.partial(thumbnail, size=options.model.thumbnail_size),
        left_out.append if data_flags.skip_bad_images() else None,
    )
    for error in left_out:
        print(f"left out: {error}")
    print(f"photos: {run_data.summary}")
    devices = jax.devices()
    print(f"devices: {len(devices)} ({devices[0].device_kind})")
    flagfile = serialization.flagfile(_FLAG_MODULES)
    print(report_table(jax_training.run(options, run_data, folder, flagfile), folder))


def _fail(error: Exception | str) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


def main(argv: list[str]) -> None:
    try:
        options = _options()
    except ValueError as error:
        _fail(error)
    try:
        _train(options)
    except training.InterruptedRun as error:
        print(error, file=sys.stderr)
        sys.exit(128 + error.signal_number)
    except KeyboardInterrupt:
        print("interrupted; the last checkpoint stays.", file=sys.stderr)
        sys.exit(130)
    except _TOLD_TO_USERS as error:
        _fail(error)
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        line = (str(error) or "out of memory").splitlines()[0]
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in line:
            raise
        _fail(f"{line}; lower --batch_size or --crop_size, or raise --gradient_accumulation_steps.")


def run() -> NoReturn:
    """The program."""
    program.run(main, flag_modules=_FLAG_MODULES)


if __name__ == "__main__":
    run()
