"""A run in TensorFlow, from its first step, or from where it was interrupted, to its report."""

from __future__ import annotations

import contextlib
import zlib

import tensorflow as tf

from drgn_tf.data import RunData, Shard, training_dataset
from drgn_tf.models import DRGN
from drgn_tf.training import memory
from drgn_tf.training.checkpoints import Checkpoints
from drgn_tf.training.options import RunOptions
from drgn_tf.training.run_folder import RunFolder, RunFolderError
from drgn_tf.training.run_loop import RunLoop, StopRequest
from drgn_tf.training.strategy import is_chief, worker_count
from drgn_tf.training.tensorboard import TensorBoard
from drgn_tf.training.trainer import Trainer

# Until then graphs are traced, kernels chosen, the input tuned.
_STEPS_BEFORE_PROFILE = 20


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


def _runner(model: DRGN):
    """Returns a graph of a network that serves photos of all sizes."""
    told = model.options.brightness
    return tf.function(
        lambda low, brightness: model(low, brightness=brightness if told else None),
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.float32),
            tf.TensorSpec([None, 1], tf.float32),
        ],
        autograph=False,
    )


class _Run(RunLoop):
    """One process's part in a run. Only the chief writes and talks."""

    def __init__(
        self,
        options: RunOptions,
        strategy: tf.distribute.Strategy,
        data: RunData,
        folder: RunFolder,
        flagfile: str,
    ):
        chief = is_chief(strategy)
        self._strategy = strategy
        self._workers = worker_count(strategy)
        folder.check_options(options, data.fingerprint)
        trainer = Trainer(strategy, options)
        checkpoints = Checkpoints(
            folder.checkpoints, options.cadence.keep_checkpoints, chief, **trainer.checkpointed
        )
        checkpoints.restore()
        step = int(trainer.step.numpy())
        super().__init__(options, data, folder, trainer, checkpoints, step, _runner, chief)
        self._check_agreement()
        if chief:
            left = options.training.steps - step
            folder.check_space(trainer.checkpoint_bytes, options.cadence, left)
            folder.save_options(options, data.fingerprint, flagfile)

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

    def _board(self) -> TensorBoard:
        return TensorBoard(self._folder)

    def _train(self, first: int, steps: int, stop: StopRequest) -> None:
        self._batches = iter(self._distributed_batches(first))
        self._profile = _Profile(
            str(self._folder.file("tensorboard")),
            first,
            self._options.cadence.profile if self._chief else 0,
        )
        self._marks = self._profile.marks
        try:
            super()._train(first, steps, stop)
        finally:
            self._profile.close()

    def _begin_call(self, done: int) -> None:
        if done in self._marks:
            self._profile.pass_mark(done)

    def _train_steps(self, step: int, count: int, stop: StopRequest) -> tuple[dict, bool]:
        scalars = self._trainer.train_steps(self._batches, step, count, bool(stop))
        asked = scalars.pop("stop")
        # Several workers must leave after the same step, so they ask the step itself;
        # one need not wait for its result.
        return scalars, float(asked[-1]) > 0 if self._workers > 1 else bool(stop)

    def _distributed_batches(self, first_step: int) -> tf.distribute.DistributedDataset:
        steps = self._options.training.steps
        samples = self._options.sample_options(self._trainer.needs_normal)

        def for_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            shard = Shard(
                context.input_pipeline_id,
                context.num_input_pipelines,
                context.num_replicas_in_sync // context.num_input_pipelines,
            )
            return training_dataset(self._data.training, samples, first_step, steps, shard)

        return self._strategy.distribute_datasets_from_function(for_worker)


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
    memory.check(options, worker_count(strategy))
    chief = is_chief(strategy)
    with folder.locked() if chief else contextlib.nullcontext():
        process = _Run(options, strategy, data, folder, flagfile)
        process.train()
        return process.report() if chief else None
