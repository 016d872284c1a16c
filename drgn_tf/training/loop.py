"""A run from its first step, or from where it was interrupted, to its report.

The loop knows neither the networks nor the devices: a `Trainer` makes the steps, a
`RunFolder` keeps the files, `RunLogs` do the talking.
"""

from __future__ import annotations

import math
import signal

import keras
import numpy as np
import tensorflow as tf

from drgn_tf.data import RunData, SampleOptions, Shard, training_dataset
from drgn_tf.models import macs_per_pixel
from drgn_tf.training.checkpoints import Checkpoints
from drgn_tf.training.logs import NoLogs, RunLogs
from drgn_tf.training.options import RunOptions
from drgn_tf.training.pictures import save_rows
from drgn_tf.training.run_folder import RunFolder, written_beside
from drgn_tf.training.strategy import is_chief
from drgn_tf.training.trainer import Trainer
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


class _StopRequest:
    """Remembers SIGTERM and Ctrl-C until the step is done; a second one stops at once."""

    def __init__(self):
        self.signal_number: int | None = None
        self._earlier = {}

    def __enter__(self) -> _StopRequest:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._earlier[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _ask(self, number, _) -> None:
        self.signal_number = number
        signal.signal(number, self._earlier[number])

    def __bool__(self) -> bool:
        return self.signal_number is not None


class _Run:
    """One process's part in a run. Only the chief writes and talks."""

    def __init__(
        self,
        options: RunOptions,
        strategy: tf.distribute.Strategy,
        data: RunData,
        folder: RunFolder,
        flagfile: str,
    ):
        self._options = options
        self._strategy = strategy
        self._data = data
        self._folder = folder
        self._chief = is_chief(strategy)
        folder.check_options(options, data.fingerprint)
        self._trainer = Trainer(strategy, options)
        self._best_psnr = tf.Variable(-math.inf, dtype=tf.float64)
        self._best_step = tf.Variable(0, dtype=tf.int64)
        self._checkpoints = Checkpoints(
            folder.checkpoints,
            options.cadence.keep_checkpoints,
            self._chief,
            **self._trainer.checkpointed,
            best_psnr=self._best_psnr,
            best_step=self._best_step,
        )
        restored = self._checkpoints.restore()
        if self._chief:
            if not restored:
                # One more than is kept: the oldest goes when the newest is complete.
                copies = options.cadence.keep_checkpoints + 1
                folder.check_space(copies * self._trainer.checkpoint_bytes)
            folder.save_options(options, data.fingerprint, flagfile)
        self._averaged = self._trainer.averaged_model()
        self._validator = Validator(self._averaged)
        self._logs = NoLogs()
        self._pending: list[dict[str, tf.Tensor]] = []

    def train(self) -> None:
        """Runs the steps that are left."""
        first, steps = int(self._trainer.step.numpy()), self._options.training.steps
        if first >= steps:
            return
        batches = iter(self._batches(first))
        if self._chief:
            self._logs = RunLogs(
                self._folder,
                self._trainer.scalar_names,
                first,
                steps,
                self._options.training.batch_size,
            )
        try:
            with _StopRequest() as stop:
                self._train(batches, first, steps, stop)
        finally:
            self._logs.close()

    def _train(self, batches, first: int, steps: int, stop: _StopRequest) -> None:
        cadence = self._options.cadence
        asked = False
        for step in range(first, steps):
            if asked:
                self._leave(step, stop.signal_number or signal.SIGTERM)
            scalars = self._trainer.train_step(next(batches), step, bool(stop))
            # Read from the result, so that all workers leave after the same step.
            asked = float(scalars.pop("stop")) > 0
            self._pending.append(scalars)
            self._logs.advance()
            done = step + 1
            validate = done == steps or done % cadence.validate_every == 0
            save = done == steps or done % cadence.checkpoint_every == 0
            if validate or save or done % cadence.log_every == 0:
                self._flush(done)
            if validate and self._chief:
                self._validate(done)
            if save:
                self._save(done)

    def _batches(self, first_step: int) -> tf.distribute.DistributedDataset:
        training = self._options.training
        samples = SampleOptions(
            crop_size=training.crop_size,
            batch_size=training.batch_size,
            seed=training.seed,
            photometric_fraction=training.photometric_fraction,
            photometric=self._options.photometric,
            references=self._trainer.needs_references,
        )

        def for_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            shard = Shard(
                context.input_pipeline_id,
                context.num_input_pipelines,
                context.num_replicas_in_sync // context.num_input_pipelines,
            )
            return training_dataset(self._data.training, samples, first_step, training.steps, shard)

        return self._strategy.distribute_datasets_from_function(for_worker)

    def _flush(self, done: int) -> None:
        """Logs the means of the steps since the last call; stops a run that has diverged.

        Raises:
          DivergedError: before anything of the diverged weights is saved.
        """
        if not self._pending:
            return
        first = done - len(self._pending) + 1
        collected = [{k: float(v) for k, v in scalars.items()} for scalars in self._pending]
        self._pending.clear()
        for step, scalars in enumerate(collected, first):
            bad = [name for name, value in scalars.items() if not math.isfinite(value)]
            if bad:
                raise DivergedError(
                    f"step {step}: {', '.join(bad)} is NaN or infinite; the run stops and its "
                    "last checkpoint stays. A lower --learning_rate may help."
                )
        means = {
            name: float(np.mean([scalars[name] for scalars in collected if name in scalars]))
            for name in collected[-1]
        }
        self._logs.training(done, means, self._trainer.learning_rate)

    def _validate(self, done: int) -> None:
        self._trainer.load_averages(self._averaged)
        result = self._validator(self._data.validation)
        with written_beside(self._folder.file("samples.png")) as path:
            save_rows(result.pictures, path)
        best = result.psnr > float(self._best_psnr.numpy())
        if best:
            self._save_model("best.keras")
            self._best_psnr.assign(result.psnr)
            self._best_step.assign(done)
        self._logs.validation(done, result)
        self._logs.write(
            f"step {done}: validation {result.psnr:.2f} dB, SSIM {result.ssim:.4f}"
            + (", the best so far" if best else "")
        )

    def _save(self, done: int) -> None:
        if self._chief:
            self._trainer.load_averages(self._averaged)
            self._save_model("last.keras")
        self._checkpoints.save(done)

    def _save_model(self, name: str) -> None:
        with written_beside(self._folder.file(name)) as path:
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
            "steps": int(self._trainer.step.numpy()),
            "best_step": int(self._best_step.numpy()),
            "parameters": self._averaged.count_params(),
            "macs_per_pixel": round(macs_per_pixel(self._averaged)),
            "protocol": "8-bit results, whole photos, RGB, not scaled to the reference brightness",
        }
        for name in ("best", "last"):
            path = self._folder.file(f"{name}.keras")
            self._averaged.set_weights(keras.models.load_model(path).get_weights())
            report[name] = {"validation": self._validator(self._data.validation).to_dict()}
            if self._data.test is not None:
                report[name]["test"] = self._validator(self._data.test).to_dict()
        self._folder.write_json("report.json", report)
        return report


def run(
    options: RunOptions,
    strategy: tf.distribute.Strategy,
    data: RunData,
    folder: RunFolder,
    flagfile: str = "",
) -> dict | None:
    """Trains, or goes on training, and measures the result.

    Args:
      options: what the run is.
      strategy: devices.
      data: photos.
      folder: of the run; one that holds an interrupted run continues it.
      flagfile: text that repeats the run, kept in the folder.

    Returns:
      The report, as in report.json; None for workers other than the chief.

    Raises:
      RunFolderError: the folder holds another run, or the disk is too small.
      DivergedError: a loss became NaN or infinite.
      InterruptedRun: on SIGTERM or Ctrl-C, after saving.
    """
    process = _Run(options, strategy, data, folder, flagfile)
    process.train()
    return process.report() if is_chief(strategy) else None
