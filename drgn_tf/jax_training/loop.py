"""A run on JAX, from its first step, or from where it was interrupted, to its report."""

from __future__ import annotations

from collections.abc import Callable

import jax

from drgn_tf.data import RunData
from drgn_tf.jax_training.checkpoints import Checkpoints
from drgn_tf.jax_training.trainer import Trainer
from drgn_tf.models import DRGN
from drgn_tf.training.options import RunOptions
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.run_loop import RunLoop, StopRequest


class UnsupportedError(ValueError):
    """Something that train_main.py can do and this cannot. The message says what to do."""


def check_options(options: RunOptions) -> None:
    """Raises UnsupportedError if the options ask for what there is not on JAX."""
    reasons = {
        "xla": (options.training.xla, "JAX compiles with XLA in any case"),
        "deterministic": (
            options.training.deterministic,
            "XLA_FLAGS=--xla_gpu_deterministic_ops=true in the environment is what it has",
        ),
        "profile": (options.cadence.profile, "JAX has profilers of its own"),
    }
    for name, (asked, reason) in reasons.items():
        if asked:
            raise UnsupportedError(f"--{name} is not for JAX ({reason}); leave it out.")
    if options.training.precision == "mixed_float16":
        raise UnsupportedError(
            "--precision=mixed_float16 needs loss scaling, which is only made for TensorFlow; "
            "choose mixed_bfloat16."
        )


def _runner(model: DRGN) -> Callable:
    """Returns a compiled function of a network, which is compiled anew for each size of photos."""
    told = model.options.brightness

    @jax.jit
    def run(weights, low, brightness):
        wanted = {"brightness": brightness} if told else {}
        return model.stateless_call(weights, [], low, **wanted)[0]

    return lambda *photo: run([variable.value for variable in model.trainable_variables], *photo)


class _Run(RunLoop):
    """A run in one process."""

    def __init__(self, options: RunOptions, data: RunData, folder: RunFolder, flagfile: str):
        check_options(options)
        folder.check_options(options, data.fingerprint)
        trainer = Trainer(options, data.training)
        checkpoints = Checkpoints(folder.checkpoints, options.cadence.keep_checkpoints, trainer)
        checkpoints.restore()
        super().__init__(options, data, folder, trainer, checkpoints, trainer.step, _runner)
        folder.check_space(
            trainer.checkpoint_bytes, options.cadence, options.training.steps - self._step
        )
        folder.save_options(options, data.fingerprint, flagfile)

    def _train_steps(self, step: int, count: int, stop: StopRequest) -> tuple[dict, bool]:
        return self._trainer.train_steps(step, count), bool(stop)


def run(options: RunOptions, data: RunData, folder: RunFolder, flagfile: str = "") -> dict:
    """Trains, or goes on training, and measures the result.

    Args:
      options: what the run is.
      data: photos.
      folder: of the run; one that holds an interrupted run continues it.
      flagfile: text that repeats the run, kept in the folder.

    Returns:
      The report, as in report.json.

    Raises:
      UnsupportedError: the options ask for what JAX training does not have.
      RunFolderError: the folder holds another run, or the disk is too small.
      DivergedError: a loss became NaN or infinite.
      InterruptedRun: on SIGTERM or Ctrl-C, after saving.
    """
    with folder.locked():
        process = _Run(options, data, folder, flagfile)
        process.train()
        return process.report()
