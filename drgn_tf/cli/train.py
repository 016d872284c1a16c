"""Trains DRGN on pairs of low-light and normal-light photos.

  drgn-train --flagfile=sample --run_dir=runs/sample
  drgn-train --flagfile=lol_v1 --data_dir=LOL-v1 --run_dir=runs/lol
  drgn-train --flagfile=lol_v1 --data_dir=LOL-v1 --run_dir=runs/lol --backend=jax

The same command continues a run that was interrupted.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from absl import flags

from drgn_tf.cli import program
from drgn_tf.errors import UserError, user_errors
from drgn_tf.flags import flagfiles

if TYPE_CHECKING:
    from drgn_tf.training import RunOptions
    from drgn_tf.training.backend import Backend

# Modules are named, and imported late: Keras, which they need, must be told its backend before.
FLAG_MODULES = tuple(
    f"drgn_tf.flags.{name}_flags" for name in ("model", "data", "loss", "training")
)


def _keras_backend(argv: list[str]) -> str:
    """Returns what --backend says, before any flag is defined."""
    values = flags.FlagValues()
    flags.DEFINE_string("backend", "tensorflow", "", flag_values=values)
    try:
        values([argv[0], *flagfiles.expand(argv[1:])], known_only=True)
    except (UserError, flags.Error):
        # Is said when all flags are parsed.
        return "tensorflow"
    return "jax" if values.backend == "jax" else "tensorflow"


def run_options() -> RunOptions:
    """Returns what the flags ask for.

    Raises:
      UserError: they do not go together.
    """
    from drgn_tf.flags import data_flags, loss_flags, model_flags, training_flags
    from drgn_tf.training import RunOptions

    with user_errors():
        return RunOptions(
            model=model_flags.model_options(),
            loss=loss_flags.loss_options(),
            data=data_flags.data_options(),
            photometric=data_flags.photometric_options(),
            training=training_flags.training_options(),
            cadence=training_flags.cadence_options(),
        )


def _make_backend(options: RunOptions) -> Backend:
    import keras

    from drgn_tf.flags import training_flags

    name = training_flags.backend()
    if keras.backend.backend() != name:
        raise UserError(
            f"Keras runs on {keras.backend.backend()} in this process; start another one for "
            f"--backend={name}."
        )
    strategy, logical_cpus = training_flags.strategy()
    if name == "jax":
        from drgn_tf.training.jax import JaxBackend

        if strategy != "auto":
            raise UserError(
                "--strategy is not for JAX, which uses all devices of the machine; leave it out."
            )
        return JaxBackend(logical_cpus, options.training.deterministic)
    from drgn_tf.training.tensorflow import TensorFlowBackend, make_strategy

    return TensorFlowBackend(make_strategy(strategy, logical_cpus))


def main(argv: list[str]) -> None:
    """Trains what the flags describe."""
    options = run_options()
    # Here, because they need Keras.
    from drgn_tf.data import load_run_data
    from drgn_tf.flags import data_flags, serialization, training_flags
    from drgn_tf.models.context import thumbnail
    from drgn_tf.training import LostWorkerError, RunFolder, report_table, train

    backend = _make_backend(options)
    backend.check_options(options)
    talk = print if backend.chief else (lambda line: None)
    folder = RunFolder(training_flags.run_dir())
    left_out: list[UserError] = []
    data = load_run_data(
        options.data,
        options.photometric,
        functools.partial(thumbnail, size=options.model.thumbnail_size),
        left_out.append if data_flags.skip_bad_images() else None,
    )
    for error in left_out:
        talk(f"left out: {error}")
    talk(f"photos: {data.summary}")
    talk(f"devices: {backend.devices}")
    flagfile = serialization.flagfile(map(importlib.import_module, FLAG_MODULES))
    try:
        report = train(options, backend, data, folder, flagfile, talk)
    except LostWorkerError as error:
        # At once: an ordinary exit would wait for what is gone.
        print(program.error_line(error), file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(error.exit_code)
    if report is not None:
        talk(report_table(report, folder))


def run() -> NoReturn:
    """The command drgn-train."""
    backend = os.environ["KERAS_BACKEND"] = _keras_backend(sys.argv)
    program.run(
        main,
        flag_modules=FLAG_MODULES,
        extra="jax" if backend == "jax" else "train",
        interrupted="interrupted; the last checkpoint stays.",
    )


if __name__ == "__main__":
    run()
