"""What a run does between its steps; `drgn_tf.training.train` has their order."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from drgn_tf.data import RunData
from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN
from drgn_tf.training.checkpoints import Checkpoints
from drgn_tf.training.errors import InterruptedRun
from drgn_tf.training.logs import NoLogs, RunLogs
from drgn_tf.training.loop import Every, Progress
from drgn_tf.training.pictures import save_rows
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.trainer import Scalars, Trainer
from drgn_tf.training.validation import Validator


class LogSteps:
    """Logs the means of the steps since the last line, and stops a run that has diverged.

    To be listed before whatever saves weights, and called before it saves: nothing of diverged
    weights is kept.

    Args:
      logs: of the run.
      trainer: knows the learning rate.
      every: when; a run that is left is logged too.
    """

    def __init__(self, logs: RunLogs | NoLogs, trainer: Trainer, every: Every):
        self._logs = logs
        self._trainer = trainer
        self._every = every
        self._pending: list[Scalars] = []
        self._logged = trainer.step
        self._advanced = trainer.step

    def next_step(self, step: int) -> int:
        """See `Action`."""
        return self._every.next_step(step)

    def __call__(self, progress: Progress) -> None:
        """Raises UserError if a scalar is NaN or infinite."""
        self._pending.append(progress.scalars)
        self._logs.advance(progress.step - self._advanced)
        self._advanced = progress.step
        if progress.leaving or self._every.is_due(progress):
            self._log(progress.step)

    def _log(self, step: int) -> None:
        rows: list[dict[str, float]] = []
        for call in self._pending:
            columns = {name: np.asarray(values).tolist() for name, values in call.items()}
            rows += [dict(zip(columns, row)) for row in zip(*columns.values())]
        self._pending.clear()
        for number, row in enumerate(rows, self._logged + 1):
            bad = [name for name, value in row.items() if not math.isfinite(value)]
            if bad:
                raise UserError(
                    f"step {number}: {', '.join(bad)} is NaN or infinite; the run stops and its "
                    "last checkpoint stays. Start again in another --run_dir with a lower "
                    "--learning_rate."
                )
        means = {
            name: float(np.mean([row[name] for row in rows if name in row])) for name in rows[-1]
        }
        self._logged = step
        self._logs.training(step, means, self._trainer.learning_rate)


class Validate:
    """Measures the averaged weights on whole photos.

    Args:
      validator: runs `model`.
      model: takes the averaged weights.
      trainer: has them.
      data: photos.
      every: when; not if the run is left.
    """

    def __init__(
        self, validator: Validator, model: DRGN, trainer: Trainer, data: RunData, every: Every
    ):
        self._validator = validator
        self._model = model
        self._trainer = trainer
        self._data = data
        self._every = every

    def next_step(self, step: int) -> int:
        """See `Action`."""
        return self._every.next_step(step)

    def __call__(self, progress: Progress) -> None:
        """Adds the validation."""
        if self._every.is_due(progress) and not progress.leaving:
            self._trainer.load_averages(self._model)
            progress.validation = self._validator(
                self._data.validation, sets=self._data.extra_validation
            )


class SavePictures:
    """Writes the pictures of each validation to samples.png.

    Args:
      folder: of the run.
    """

    def __init__(self, folder: RunFolder):
        self._folder = folder

    def next_step(self, step: int) -> None:
        """See `Action`."""

    def __call__(self, progress: Progress) -> None:
        """Writes the file."""
        if progress.validation is not None:
            with atomic_path(self._folder.file("samples.png")) as path:
                save_rows(progress.validation.pictures, path)


class KeepBest:
    """Writes best.keras where a validation is better than all before, and best.json beside it.

    Which validation best.keras is of stands there and not in the checkpoint, which may be older
    or newer than that file.

    Args:
      folder: of the run.
      model: that was measured.
      monitor: see `TrainingOptions`.
      step: steps done; at 0 an earlier file counts for nothing.
    """

    def __init__(self, folder: RunFolder, model: DRGN, monitor: str, step: int):
        self._folder = folder
        self._model = model
        self._monitor = monitor
        self._best: dict[str, Any] | None = folder.read_json("best.json") if step else None

    @property
    def step(self) -> int | None:
        """Step of the best validation, or None before the first."""
        return self._best["step"] if self._best else None

    def next_step(self, step: int) -> None:
        """See `Action`."""

    def __call__(self, progress: Progress) -> None:
        """Says whether this validation is the best."""
        if progress.validation is None:
            return
        score = progress.validation.score(self._monitor)
        if self._best is None or score > self._best[self._monitor]:
            progress.best = True
            self._best = {"step": progress.step, self._monitor: score}
            self._folder.save_model("best.keras", self._model)
            self._folder.write_json("best.json", self._best)


class LogValidation:
    """Logs each validation.

    Args:
      logs: of the run.
    """

    def __init__(self, logs: RunLogs | NoLogs):
        self._logs = logs

    def next_step(self, step: int) -> None:
        """See `Action`."""

    def __call__(self, progress: Progress) -> None:
        """Logs it."""
        if progress.validation is not None:
            self._logs.validation(progress.step, progress.validation, progress.best)


class SaveCheckpoint:
    """Saves a checkpoint, and last.keras before it.

    Args:
      checkpoints: of the run. All workers take part.
      save_last: writes last.keras; None for workers other than the chief.
      every: when; a run that is left is saved too.
    """

    def __init__(
        self, checkpoints: Checkpoints, save_last: Callable[[], None] | None, every: Every
    ):
        self._checkpoints = checkpoints
        self._save_last = save_last
        self._every = every

    def next_step(self, step: int) -> int:
        """See `Action`."""
        return self._every.next_step(step)

    def __call__(self, progress: Progress) -> None:
        """Saves it."""
        if progress.leaving or self._every.is_due(progress):
            if self._save_last is not None:
                self._save_last()
            self._checkpoints.save(progress.step)


class LeaveOnSignal:
    """Leaves the run once SIGTERM or Ctrl-C asked for it and the step is saved.

    To be listed behind what saves. Signals are caught where it is used as a context; a second
    one stops at once.
    """

    def __init__(self) -> None:
        self._signal_number: int | None = None
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> LeaveOnSignal:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._earlier[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self._signal_number = number
        print("\nstopping after this step ...", file=sys.stderr, flush=True)
        signal.signal(number, self._earlier[number])

    def requested(self) -> bool:
        """Whether this process was asked to stop."""
        return self._signal_number is not None

    def next_step(self, step: int) -> None:
        """See `Action`."""

    def __call__(self, progress: Progress) -> None:
        """Raises InterruptedRun if the run is left."""
        if progress.leaving:
            # Perhaps another worker was asked.
            raise InterruptedRun(progress.step, self._signal_number or signal.SIGTERM)


class Profile:
    """Profiles some steps for TensorBoard, once.

    A context, at whose end the profile ends too.

    Args:
      start: begins a profile in the folder of the logs.
      stop: ends it.
      begin: step after which.
      steps: how many; 0 for none.
    """

    def __init__(self, start: Callable[[], None], stop: Callable[[], None], begin: int, steps: int):
        self._start = start
        self._stop = stop
        self._marks = [begin, begin + steps] if steps else []
        self._running = False

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._running = False
            self._stop()

    def next_step(self, step: int) -> int | None:
        """See `Action`."""
        return min((mark for mark in self._marks if mark > step), default=None)

    def __call__(self, progress: Progress) -> None:
        """Begins or ends the profile."""
        if progress.step not in self._marks:
            return
        # What is still being computed belongs to the steps before.
        for values in progress.scalars.values():
            np.asarray(values)
        if self._running:
            self.__exit__()
        elif progress.step == self._marks[0] and not progress.last:
            self._running = True
            self._start()
