"""Trains DRGN on pairs of low-light and normal-light photos.

  python train_main.py --flagfile=flags/sample.flags --run_dir=runs/sample
  python train_main.py --flagfile=flags/lol_v1.flags --data_dir=LOL-v1 --run_dir=runs/lol

The same command continues a run that was interrupted.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import NoReturn

# Before TensorFlow is imported: its start-up notes would bury our lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from drgn_tf import data, training
from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.flags import data_flags, loss_flags, model_flags, serialization, training_flags
from drgn_tf.models.context import thumbnail
from drgn_tf.training.report_table import report_table

_FLAG_MODULES = (model_flags, data_flags, loss_flags, training_flags)

# Errors whose message says what is wrong with what, and what to do.
_TOLD_TO_USERS = (
    UserError,
    training.DivergedError,
    training.MemoryRefusedError,
    training.RunFolderError,
    training.StrategyError,
    OSError,
)
# What the others get when a worker dies: its connection breaks, or its heartbeats stop.
_LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def _options() -> training.RunOptions:
    """Returns what the flags ask for; ValueError if they do not go together."""
    return training.RunOptions(
        model=model_flags.model_options(),
        loss=loss_flags.loss_options(),
        data=data_flags.data_options(),
        photometric=data_flags.photometric_options(),
        training=training_flags.training_options(),
        cadence=training_flags.cadence_options(),
    )


def _train(options: training.RunOptions) -> None:
    if options.training.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = training.make_strategy(*training_flags.strategy())
    talk = print if training.is_chief(strategy) else (lambda *_: None)
    folder = training.RunFolder(training_flags.run_dir())
    left_out: list[UserError] = []
    run_data = data.load_run_data(
        options.data,
        options.photometric,
        functools.partial(thumbnail, size=options.model.thumbnail_size),
        left_out.append if data_flags.skip_bad_images() else None,
    )
    for error in left_out:
        talk(f"left out: {error}")
    talk(f"photos: {run_data.summary}")
    talk(f"devices: {strategy.num_replicas_in_sync} ({type(strategy).__name__})")
    report = training.run(
        options, strategy, run_data, folder, serialization.flagfile(_FLAG_MODULES)
    )
    if report is not None:
        print(report_table(report, folder))


def _leave_without(error: Exception) -> NoReturn:
    """Ends the process at once: an ordinary exit would wait for what is gone."""
    line = str(error).splitlines()[0]
    print(
        f"error: another worker left the run ({line}); give the same command again on all "
        "machines to continue.",
        file=sys.stderr,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(os.EX_TEMPFAIL)


def _fail(error: Exception | str) -> NoReturn:
    sys.exit(f"error: {error}")


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
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        line = (str(error) or "out of memory").splitlines()[0]
        _fail(f"{line}; lower --batch_size or --crop_size.")
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        if not options.data.cache_dir:
            raise
        _fail(
            f"samples could not be made ({str(error).splitlines()[0]}); check --cache_dir, then "
            "give the same command again."
        )
    except _LOST_WORKER as error:
        _leave_without(error)


def run() -> NoReturn:
    """The program."""
    program.run(main, flag_modules=_FLAG_MODULES)


if __name__ == "__main__":
    run()
