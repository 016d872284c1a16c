"""A run from its first step, or from where it was interrupted, to its report.

The loop knows neither the networks nor the devices: a `Trainer` makes the steps, a
`RunFolder` keeps the files, `RunLogs` do the talking.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import zlib

import keras
import numpy as np
import tensorflow as tf

from drgn_tf.data import RunData, SampleOptions, Shard, training_dataset
from drgn_tf.files import written_beside
from drgn_tf.models import macs_per_pixel
from drgn_tf.training import memory
from drgn_tf.training.checkpoints import Checkpoints
from drgn_tf.training.logs import NoLogs, RunLogs
from drgn_tf.training.options import RunOptions
from drgn_tf.training.pictures import save_rows
from drgn_tf.training.run_folder import RunFolder, RunFolderError
from drgn_tf.training.strategy import is_chief, worker_count
from drgn_tf.training.trainer import Trainer
from drgn_tf.training.validation import Validator

# Until then graphs are traced, kernels chosen, the input tuned.
_STEPS_BEFORE_PROFILE = 20


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
        print("\nstopping after this step ...", file=sys.stderr, flush=True)
        signal.signal(number, self._earlier[number])

    def __bool__(self) -> bool:
        return self.signal_number is not None


class _Profile:
    """Profiles some steps for TensorBoard, once the first ones, which trace graphs, are over.

    Args:
      folder: of the TensorBoard logs.
      first: step at which this process begins.
      steps: how many to profile; 0 for none.
    """

    def __init__(self, folder: str, first: int, steps: int):
        self._folder = folder
        begin = first + _STEPS_BEFORE_PROFILE
        # Steps at which something happens.
        self.marks = (begin, begin + steps) if steps else ()
        self._running = False

    def pass_mark(self, done: int) -> None:
        """To be called at each of the marks."""
        if done == self.marks[0]:
            tf.profiler.experimental.start(self._folder)
            self._running = True
        else:
            self.close()

    def close(self) -> None:
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()


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
        self._workers = worker_count(strategy)
        folder.check_options(options, data.fingerprint)
        self._trainer = Trainer(strategy, options)
        self._checkpoints = Checkpoints(
            folder.checkpoints,
            options.cadence.keep_checkpoints,
            self._chief,
            **self._trainer.checkpointed,
        )
        restored = self._checkpoints.restore()
        self._step = int(self._trainer.step.numpy())
        # Which validation best.keras is of: beside it, not in the checkpoint, which may be
        # older or newer than that file.
        self._best = folder.read_json("best.json") if restored else None
        self._check_agreement()
        if self._chief:
            left = options.training.steps - self._step
            folder.check_space(self._trainer.checkpoint_bytes, options.cadence, left)
            folder.save_options(options, data.fingerprint, flagfile)
        self._averaged = self._trainer.averaged_model()
        self._validator = Validator(self._averaged)
        self._logs = NoLogs()
        self._pending: list[dict[str, tf.Tensor]] = []

    def _check_agreement(self) -> None:
        """Raises RunFolderError unless all workers are about to do the same."""
        if self._workers == 1:
            return
        told = repr((self._step, self._options.training, self._options.loss, self._options.model))
        mine = zlib.crc32((told + self._data.fingerprint).encode())
        values = self._strategy.run(lambda: tf.constant(mine, tf.int64))
        total = int(self._strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
        if total != mine * self._strategy.num_replicas_in_sync:
            raise RunFolderError(
                f"the workers differ (here: step {self._step}, photos {self._data.fingerprint}); "
                "give all of them the same command, the same photos and one shared --run_dir."
            )

    def train(self) -> None:
        """Runs the steps that are left."""
        first, steps = self._step, self._options.training.steps
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
        profile = _Profile(
            str(self._folder.file("tensorboard")),
            first,
            self._options.cadence.profile if self._chief else 0,
        )
        try:
            with _StopRequest() as stop:
                self._train(batches, first, steps, stop, profile)
        finally:
            profile.close()
            self._logs.close()

    def _train(
        self, batches, first: int, steps: int, stop: _StopRequest, profile: _Profile
    ) -> None:
        cadence = self._options.cadence
        done = first
        while done < steps:
            if done in profile.marks:
                profile.pass_mark(done)
            count = self._steps_ahead(done, profile.marks)
            scalars = self._trainer.train_steps(batches, done, count, bool(stop))
            asked = scalars.pop("stop")
            # Several workers must leave after the same step, so they ask the step itself;
            # one need not wait for its result.
            stopped = float(asked[-1]) > 0 if self._workers > 1 else bool(stop)
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

    def _steps_ahead(self, done: int, marks: tuple[int, ...]) -> int:
        """Returns how many steps the next call may make, up to the next that is looked at."""
        cadence = self._options.cadence
        ends = [done + cadence.steps_per_call, self._options.training.steps]
        for every in (cadence.log_every, cadence.validate_every, cadence.checkpoint_every):
            ends.append((done // every + 1) * every)
        # The graph of the synthetic path is another one.
        ends += [mark for mark in (self._options.loss.synthetic_start, *marks) if mark > done]
        return min(ends) - done

    def _batches(self, first_step: int) -> tf.distribute.DistributedDataset:
        training = self._options.training
        samples = SampleOptions(
            crop_size=training.crop_size,
            batch_size=training.batch_size,
            seed=training.seed,
            photometric_fraction=training.photometric_fraction,
            exposure_jitter=training.exposure_jitter,
            photometric=self._options.photometric,
            references=self._trainer.needs_references,
        )

        def for_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            shard = Shard(
                context.input_pipeline_id,
                context.num_input_pipelines,
                context.num_replicas_in_sync // context.num_input_pipelines,
            )
            servers = self._options.data.data_service
            return training_dataset(
                self._data.training, samples, first_step, training.steps, shard, servers
            )

        return self._strategy.distribute_datasets_from_function(for_worker)

    def _flush(self, done: int) -> None:
        """Logs the means of the steps since the last call; stops a run that has diverged.

        Raises:
          DivergedError: before anything of the diverged weights is saved.
        """
        if not self._pending:
            return
        collected = []
        for call in self._pending:
            columns = {name: values.numpy().tolist() for name, values in call.items()}
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
        result = self._validator(self._data.validation)
        with written_beside(self._folder.file("samples.png")) as path:
            save_rows(result.pictures, path)
        key = self._options.training.keep_by
        best = self._best is None or getattr(result, key) > self._best[key]
        if best:
            self._best = {"step": done, "psnr": result.psnr, "ssim": result.ssim}
            self._save_model("best.keras")
            self._folder.write_json("best.json", self._best)
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
      MemoryRefusedError: a step would not fit into memory.
      DivergedError: a loss became NaN or infinite.
      InterruptedRun: on SIGTERM or Ctrl-C, after saving.
    """
    if not tf.config.list_physical_devices("GPU"):
        memory.check(options, worker_count(strategy))
    chief = is_chief(strategy)
    with folder.locked() if chief else contextlib.nullcontext():
        process = _Run(options, strategy, data, folder, flagfile)
        process.train()
        return process.report() if chief else None
