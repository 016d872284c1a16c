"""The steps of a run from where it stands to its report, whatever computes them.

The loop knows neither the networks nor the devices: a trainer makes the steps, a
`RunFolder` keeps the files, `RunLogs` do the talking.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
from collections.abc import Callable

import keras
import numpy as np

from drgn_tf.data import RunData
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN, macs_per_pixel
from drgn_tf.training.logs import NoLogs, RunLogs
from drgn_tf.training.options import RunOptions
from drgn_tf.training.pictures import save_rows
from drgn_tf.training.run_folder import RunFolder, RunFolderError
from drgn_tf.training.validation import Validator


class DivergedError(RuntimeError):
    """A loss became NaN or infinite."""


class InterruptedRun(Exception):
    """The run was asked to stop and has saved its state.

    Attributes:
      signal_number: the signal that asked.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


class StopRequest:
    """Remembers SIGTERM and Ctrl-C until the step is done; a second one stops at once."""

    def __init__(self):
        self.signal_number: int | None = None
        self._earlier = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._earlier[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _ask(self, number, _) -> None:
        self.signal_number = number
        print("\nstopping after this step ...", file=sys.stderr, flush=True)
        signal.signal(number, self._earlier[number])

    def __bool__(self) -> bool:
        return self.signal_number is not None


class RunLoop:
    """One process's part in a run.

    Args:
      options: what the run is.
      data: photos.
      folder: of the run.
      trainer: has `scalar_names`, `learning_rate`, `averaged_model` and `load_averages`, as
        `drgn_tf.training.trainer.Trainer` has.
      checkpoints: has `save`, as `drgn_tf.training.checkpoints.Checkpoints` has.
      step: steps done.
      runner: makes of a network what runs it, see `Validator`.
      chief: whether this process writes and talks.
    """

    def __init__(
        self,
        options: RunOptions,
        data: RunData,
        folder: RunFolder,
        trainer,
        checkpoints,
        step: int,
        runner: Callable[[DRGN], Callable],
        chief: bool = True,
    ):
        self._options = options
        self._data = data
        self._folder = folder
        self._trainer = trainer
        self._checkpoints = checkpoints
        self._step = step
        self._chief = chief
        # Which validation best.keras is of: beside it, not in the checkpoint, which may be
        # older or newer than that file.
        self._best = folder.read_json("best.json") if step else None
        self._averaged = trainer.averaged_model()
        self._validator = Validator(runner(self._averaged), options.model.brightness)
        self._logs: RunLogs | NoLogs = NoLogs()
        self._pending: list[dict] = []
        # Steps between which a call must end, beside those of the cadence.
        self._marks: tuple[int, ...] = ()

    def _train_steps(self, step: int, count: int, stop: StopRequest) -> tuple[dict, bool]:
        """Runs steps; returns their scalars, [count] each, and whether to leave after them."""
        raise NotImplementedError

    def train(self) -> None:
        """Runs the steps that are left."""
        first, steps = self._step, self._options.training.steps
        if first >= steps:
            return
        if self._chief:
            self._logs = RunLogs(
                self._folder,
                self._trainer.scalar_names,
                first,
                steps,
                self._options.training.batch_size,
                self._board(),
                self._data.extra_validation,
            )
        with contextlib.closing(self._logs), StopRequest() as stop:
            self._train(first, steps, stop)

    def _board(self):
        """Returns what also gets the logs, see `RunLogs`."""

    def _train(self, first: int, steps: int, stop: StopRequest) -> None:
        cadence = self._options.cadence
        done = first
        while done < steps:
            self._begin_call(done)
            count = self._steps_ahead(done)
            scalars, stopped = self._train_steps(done, count, stop)
            self._pending.append(scalars)
            self._logs.advance(count)
            self._step = done = done + count
            if stopped and done < steps:
                self._leave(done, stop.signal_number or signal.SIGTERM)
            validate = done == steps or done % cadence.validate_every == 0
            save = done == steps or done % cadence.checkpoint_every == 0
            if validate or save or done % cadence.log_every == 0:
                self._flush(done)
            if validate and self._chief:
                self._validate(done)
            if save:
                self._save(done)

    def _begin_call(self, done: int) -> None:
        """Is called before each call of `_train_steps`."""

    def _steps_ahead(self, done: int) -> int:
        """Returns how many steps the next call may make, up to the next that is looked at."""
        cadence = self._options.cadence
        ends = [done + cadence.steps_per_call, self._options.training.steps]
        for every in (cadence.log_every, cadence.validate_every, cadence.checkpoint_every):
            ends.append((done // every + 1) * every)
        # The graph of the synthetic path is another one.
        marks = (self._options.loss.synthetic_start, *self._marks)
        ends += [mark for mark in marks if mark > done]
        return min(ends) - done

    def _flush(self, done: int) -> None:
        """Logs the means of the steps since the last call; stops a run that has diverged.

        Raises:
          DivergedError: before anything of the diverged weights is saved.
        """
        if not self._pending:
            return
        collected = []
        for call in self._pending:
            columns = {name: np.asarray(values).tolist() for name, values in call.items()}
            collected += [dict(zip(columns, row)) for row in zip(*columns.values())]
        self._pending.clear()
        first = done - len(collected) + 1
        for step, scalars in enumerate(collected, first):
            bad = [name for name, value in scalars.items() if not math.isfinite(value)]
            if bad:
                raise DivergedError(
                    f"step {step}: {', '.join(bad)} is NaN or infinite; the run stops and its "
                    "last checkpoint stays. Start again in another --run_dir with a lower "
                    "--learning_rate."
                )
        means = {
            name: float(np.mean([scalars[name] for scalars in collected if name in scalars]))
            for name in collected[-1]
        }
        self._logs.training(done, means, self._trainer.learning_rate)

    def _validate(self, done: int) -> None:
        self._trainer.load_averages(self._averaged)
        result = self._validator(self._data.validation, sets=self._data.extra_validation)
        with atomic_path(self._folder.file("samples.png")) as path:
            save_rows(result.pictures, path)
        key = self._options.training.monitor
        score = result.score(key)
        best = self._best is None or score > self._best[key]
        if best:
            self._best = {"step": done, key: score}
            self._save_model("best.keras")
            self._folder.write_json("best.json", self._best)
        self._logs.validation(done, result)
        self._logs.write(f"step {done}: {result.summary}{', the best so far' * best}")

    def _save(self, done: int) -> None:
        if self._chief:
            self._trainer.load_averages(self._averaged)
            self._save_model("last.keras")
        self._checkpoints.save(done)

    def _save_model(self, name: str) -> None:
        with atomic_path(self._folder.file(name)) as path:
            self._averaged.save(path)

    def _leave(self, done: int, signal_number: int) -> None:
        self._flush(done)
        self._save(done)
        raise InterruptedRun(
            f"stopped by {signal.Signals(signal_number).name} after step {done}; everything is "
            "saved, the same command goes on from here.",
            signal_number,
        )

    def report(self) -> dict:
        """Measures the saved networks and writes report.json."""
        report = {
            "steps": self._step,
            "best_step": self._best["step"] if self._best else None,
            "parameters": self._averaged.count_params(),
            "macs_per_pixel": round(macs_per_pixel(self._averaged)),
            "protocol": "8-bit results, whole photos, RGB, not scaled to the reference brightness",
        }
        for name in ("best", "last"):
            if name == "last" and report["best_step"] == self._step:
                # The same weights.
                report["last"] = report["best"]
                continue
            path = self._folder.file(f"{name}.keras")
            try:
                self._averaged.set_weights(keras.models.load_model(path).get_weights())
            except (OSError, ValueError) as error:
                raise RunFolderError(
                    f"{path}: cannot be opened ({str(error).splitlines()[0]}); train again in "
                    "another --run_dir."
                ) from error
            measured = self._validator(self._data.validation, sets=self._data.extra_validation)
            report[name] = {"validation": measured.to_dict()}
            if self._data.test is not None:
                report[name]["test"] = self._validator(self._data.test).to_dict()
        self._folder.write_json("report.json", report)
        return report
