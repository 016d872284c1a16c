"""TensorFlow as what computes a run."""

from __future__ import annotations

import contextlib
import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from drgn_tf.data import Shard, TrainingData, training_dataset
from drgn_tf.errors import UserError
from drgn_tf.files import first_line
from drgn_tf.models import DRGN
from drgn_tf.training import memory
from drgn_tf.training.errors import LostWorkerError
from drgn_tf.training.options import RunOptions
from drgn_tf.training.tensorflow.strategy import is_chief, worker_count
from drgn_tf.training.tensorflow.trainer import TensorFlowTrainer

# What the others get when a worker dies: its connection breaks, or its heartbeats stop.
_LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class TensorFlowBackend:
    """TensorFlow on the devices of a strategy; see `drgn_tf.training.backend.Backend`.

    From then on GPUs multiply float32 as such, not in TF32, in whose 11 bits the variances of the
    SSIM loss cancel out, and gradients grow a hundredfold.

    Args:
      strategy: from `make_strategy`.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self._strategy = strategy
        self._workers = worker_count(strategy)

    @property
    def devices(self) -> str:
        """What is computed on, for people."""
        return f"{self._strategy.num_replicas_in_sync} ({type(self._strategy).__name__})"

    @property
    def chief(self) -> bool:
        """Whether this process writes the files of the run, and talks."""
        return is_chief(self._strategy)

    def check_options(self, options: RunOptions) -> None:
        """Nothing: TensorFlow has all that there are options for."""

    def check_memory(self, options: RunOptions) -> None:
        """Raises UserError if a step would not fit; GPUs do not say how much memory they have."""
        if not tf.config.list_physical_devices("GPU"):
            memory.check(options, self._workers)

    def make_trainer(self, options: RunOptions, data: TrainingData) -> TensorFlowTrainer:
        """Returns a trainer at step 0."""
        if options.training.deterministic:
            tf.config.experimental.enable_op_determinism()
        # Here, before anything is written; batches are made later.
        data.check_crop(options.sample_options)
        batches = functools.partial(_batches, self._strategy, options, data)
        return TensorFlowTrainer(self._strategy, options, batches)

    def compiled(self, model: DRGN) -> Callable[[Any, Any], dict[str, Any]]:
        """Returns a graph of a network that serves photos of all sizes."""
        told = model.options.brightness
        graph: Callable[[Any, Any], dict[str, Any]] = tf.function(
            lambda low, brightness: model(low, brightness=brightness if told else None),
            input_signature=[
                tf.TensorSpec([None, None, None, 3], tf.float32),
                tf.TensorSpec([None, 1], tf.float32),
            ],
            autograph=False,
        )
        return graph

    def agree(self, text: str) -> bool:
        """Whether all workers say the same."""
        if self._workers == 1:
            return True
        mine = zlib.crc32(text.encode())
        values = self._strategy.run(lambda: tf.constant(mine, tf.int64))
        total = int(self._strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
        return total == mine * int(self._strategy.num_replicas_in_sync)

    def start_profile(self, folder: str) -> None:
        """Begins to write a TensorBoard profile."""
        tf.profiler.experimental.start(folder)

    def stop_profile(self) -> None:
        """Ends what `start_profile` began."""
        tf.profiler.experimental.stop()

    @contextlib.contextmanager
    def user_errors(self, options: RunOptions) -> Iterator[None]:
        """Turns errors of TensorFlow that a person can mend into UserError."""
        try:
            yield
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            line = first_line(error) if str(error) else "out of memory"
            raise UserError(f"{line}; lower --batch_size or --crop_size.") from error
        except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
            if not options.data.cache_dir:
                raise
            raise UserError(
                f"samples could not be made ({first_line(error)}); check --cache_dir, then "
                "give the same command again."
            ) from error
        except _LOST_WORKER as error:
            raise LostWorkerError(
                f"another worker left the run ({first_line(error)}); give the same command "
                "again on all machines to continue."
            ) from error


def _batches(
    strategy: tf.distribute.Strategy, options: RunOptions, data: TrainingData, first_step: int
) -> Iterator[Any]:
    """Returns the batches of the steps from `first_step` on, divided among the devices."""
    samples = options.sample_options

    def for_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        shard = Shard(
            context.input_pipeline_id,
            context.num_input_pipelines,
            context.num_replicas_in_sync // context.num_input_pipelines,
        )
        return training_dataset(data, samples, first_step, options.training.steps, shard)

    # Reading and rewriting the code of the samples would take seconds.
    unconverted = tf.autograph.experimental.do_not_convert(for_worker)
    batches: Iterator[Any] = iter(strategy.distribute_datasets_from_function(unconverted))
    return batches
