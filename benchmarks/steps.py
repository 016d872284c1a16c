"""Training steps for timing: trainers, their batches and their MAC."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from drgn_tf import data
from drgn_tf.losses import LossOptions
from drgn_tf.models import macs_per_pixel, preset
from drgn_tf.training import CadenceOptions, RunOptions, TrainingOptions
from drgn_tf.training.tensorflow.trainer import TensorFlowTrainer

# Real pairs alone; with synthetic pairs, discriminators and KL, from the first step; the same, and
# discriminators of a sixteenth of the work.
METHODS = {
    "plain": LossOptions(synthetic_weight=0.0),
    "whole": LossOptions(synthetic_start=0),
    "whole_narrow": LossOptions(synthetic_start=0, discriminator_width=16),
}
_PLENTY = 10**9


def trainer(
    name: str, method: str, crop_size: int, batch_size: int, steps_per_call: int = 1, **changes
) -> TensorFlowTrainer:
    """Makes a trainer for batches that are given to `run`.

    Args:
      name: of the preset.
      method: one of `METHODS`.
      crop_size: side of the crops in pixels.
      batch_size: samples per step.
      steps_per_call: 1, or more than the `count` of `run`.
      **changes: other fields of `TrainingOptions`.
    """
    options = RunOptions(
        model=preset(name),
        loss=METHODS[method],
        data=data.DataOptions(),
        photometric=data.PhotometricOptions(),
        training=TrainingOptions(crop_size=crop_size, batch_size=batch_size, **changes),
        cadence=CadenceOptions(steps_per_call=steps_per_call),
    )
    return TensorFlowTrainer(tf.distribute.get_strategy(), options, lambda _: iter(()))


def run(made: TensorFlowTrainer, batches: Iterator, count: int = 1) -> None:
    """Makes `count` steps in one call, and waits for their result."""
    made.run_steps(batches, count)["loss"].numpy()


def repeated(batch: dict) -> Iterator:
    """Returns a source that repeats one batch, as the trainer fetches it."""
    return iter(tf.data.Dataset.from_tensors(batch).repeat())


def drawn(photos: data.TrainingData, options: data.SampleOptions, count: int = _PLENTY) -> Iterator:
    """Returns the batches of a new pipeline, without prefetched ones."""
    return iter(data.training_dataset(photos, options, 0, count))


def forward_macs(made: TensorFlowTrainer, method: str, crop_size: int) -> float:
    """Returns the multiply-accumulates of all networks' forward passes, a pixel of a crop."""
    macs = macs_per_pixel(made.model)
    if method == "plain":
        return macs
    # The synthetic pair costs the same; a discriminator sees a real and a generated image.
    players = made.discriminators.values()
    return 2 * macs + 2 * sum(macs_per_pixel(player, crop_size) for player in players)
