"""A run, from its first step, or from where it was interrupted, to its report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from drgn_tf.data import RunData
from drgn_tf.errors import UserError
from drgn_tf.training.actions import (
    KeepBest,
    LeaveOnSignal,
    LogSteps,
    LogValidation,
    Profile,
    SaveCheckpoint,
    SavePictures,
    Validate,
)
from drgn_tf.training.backend import Backend
from drgn_tf.training.checkpoints import Checkpoints
from drgn_tf.training.logs import NoLogs, RunLogs
from drgn_tf.training.loop import Action, Every, TrainingLoop
from drgn_tf.training.options import RunOptions
from drgn_tf.training.report import write_report
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.tensorboard import TensorBoard
from drgn_tf.training.trainer import Trainer
from drgn_tf.training.validation import Validator

# Until then graphs are traced, kernels chosen, the input tuned.
_STEPS_BEFORE_PROFILE = 20


def train(
    options: RunOptions,
    backend: Backend,
    data: RunData,
    folder: RunFolder,
    flagfile: str = "",
    talk: Callable[[str], None] = print,
) -> dict[str, Any] | None:
    """Trains, or goes on training, and measures the result.

    Args:
      options: what the run is.
      backend: framework and devices.
      data: photos.
      folder: of the run; one that holds an interrupted run continues it.
      flagfile: text that repeats the run, kept in the folder.
      talk: is told what the run goes without.

    Returns:
      The report, as in report.json; None for workers other than the chief.

    Raises:
      UserError: the folder holds another run, the disk or the memory is too small, the options
        ask for what the backend does not have, or a loss became NaN or infinite.
      InterruptedRun: on SIGTERM or Ctrl-C, after saving.
      LostWorkerError: another worker is gone.
    """
    backend.check_options(options)
    backend.check_memory(options)
    with (
        folder.locked() if backend.chief else contextlib.nullcontext(),
        backend.user_errors(options),
    ):
        return _train(options, backend, data, folder, flagfile, talk)


def _train(
    options: RunOptions,
    backend: Backend,
    data: RunData,
    folder: RunFolder,
    flagfile: str,
    talk: Callable[[str], None],
) -> dict[str, Any] | None:
    cadence, steps, chief = options.cadence, options.training.steps, backend.chief
    folder.check_options(options, data.fingerprint)
    if chief:
        folder.remove_partial()
    trainer = backend.make_trainer(options, data.training)
    checkpoints = Checkpoints(folder.checkpoints, cadence.keep_checkpoints, trainer, chief)
    checkpoints.restore()
    begin = trainer.step
    _check_agreement(options, backend, data, begin)
    if chief:
        folder.check_space(trainer.state_bytes, cadence, steps - begin)
        folder.save_options(options, data.fingerprint, flagfile)

    averaged = trainer.averaged_model()
    validator = Validator(backend.compiled(averaged), options.model.brightness)
    keep_best = KeepBest(folder, averaged, options.training.monitor, begin)

    def save_last() -> None:
        trainer.load_averages(averaged)
        folder.save_model("last.keras", averaged)

    if begin < steps:
        logs = _logs(options, trainer, data, folder, talk) if chief else NoLogs()
        leave = LeaveOnSignal()
        profile = Profile(
            lambda: backend.start_profile(str(folder.file("tensorboard"))) if chief else None,
            lambda: backend.stop_profile() if chief else None,
            begin + _STEPS_BEFORE_PROFILE,
            cadence.profile,
        )
        validate_every = Every((cadence.validate_every,))
        save_every = Every((cadence.checkpoint_every,))
        # Of all three: on every worker a call ends where the chief looks.
        log_every = Every((cadence.log_every, *validate_every.intervals, *save_every.intervals))
        actions: list[Action] = [LogSteps(logs, trainer, log_every)]
        if chief:
            actions += [
                Validate(validator, averaged, trainer, data, validate_every),
                SavePictures(folder),
                keep_best,
                LogValidation(logs),
            ]
        actions += [
            SaveCheckpoint(checkpoints, save_last if chief else None, save_every),
            leave,
            profile,
        ]
        with logs, leave, profile:
            TrainingLoop(trainer, actions, steps, leave.requested).run()
    if not chief:
        return None
    return write_report(folder, data, validator, averaged, trainer.step, keep_best.step)


def _check_agreement(options: RunOptions, backend: Backend, data: RunData, step: int) -> None:
    """Raises UserError unless all workers are about to do the same."""
    told = repr((step, options.training, options.loss, options.model, data.fingerprint))
    if not backend.agree(told):
        raise UserError(
            f"the workers differ (here: step {step}, photos {data.fingerprint}); "
            "give all of them the same command, the same photos and one shared --run_dir."
        )


def _logs(
    options: RunOptions,
    trainer: Trainer,
    data: RunData,
    folder: RunFolder,
    talk: Callable[[str], None],
) -> RunLogs:
    board = None
    if TensorBoard.is_installed():
        board = TensorBoard(folder.file("tensorboard"))
    else:
        talk("tensorboard/: left out, as the package tensorboard is not installed.")
    return RunLogs(
        folder,
        trainer.scalar_names,
        trainer.step,
        options.training.steps,
        options.training.batch_size,
        board,
        data.extra_validation,
    )
