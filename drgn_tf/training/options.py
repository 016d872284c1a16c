"""All that defines a training run, and the presets' place in it."""

from __future__ import annotations

import dataclasses
from typing import Any

from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.losses import LossOptions
from drgn_tf.models import ModelOptions


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How the weights are improved [chosen].

    Attributes:
      steps: optimizer steps of the whole run.
      batch_size: samples a step, over all devices and workers.
      crop_size: side of the training crops in pixels; at least 16.
      photometric_fraction: see `drgn_tf.data.SampleOptions`.
      exposure_jitter: see `drgn_tf.data.SampleOptions`.
      learning_rate: peak rate of the generators' Adam.
      discriminator_learning_rate: peak rate of the discriminators' Adam.
      warmup_steps: steps over which both rates grow from 0.
      final_learning_rate: where the cosine ends, as a fraction of the peak.
      clip_norm: largest global norm of the gradients, after adding up all devices'.
      ema_decay: of the averaged weights, which are what is evaluated and saved.
      init_weights: .keras file of a network of the same shape to start from, for fine-tuning;
        empty for random weights.
      seed: of the initial weights and of all samples.
      deterministic: bit-identical reruns, at some cost in speed.
    """

    steps: int = 100_000
    batch_size: int = 8
    crop_size: int = 96
    photometric_fraction: float = 0.0
    exposure_jitter: float = 0.0
    learning_rate: float = 4e-4
    discriminator_learning_rate: float = 2e-4
    warmup_steps: int = 200
    final_learning_rate: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    init_weights: str = ""
    seed: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch_size",
            "learning_rate",
            "discriminator_learning_rate",
            "clip_norm",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}.")
        if self.crop_size < 16:
            raise ValueError(f"crop_size must be at least 16, not {self.crop_size}.")
        for name in ("warmup_steps", "exposure_jitter"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}.")
        for name in ("photometric_fraction", "final_learning_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}.")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), not {self.ema_decay}.")


@dataclasses.dataclass(frozen=True)
class CadenceOptions:
    """How often a run reports and saves. May differ when a run is continued.

    Attributes:
      log_every: steps between lines in metrics.csv and TensorBoard, and checks for NaN.
      validate_every: steps between validations.
      checkpoint_every: steps between checkpoints.
      keep_checkpoints: how many are kept.
    """

    log_every: int = 50
    validate_every: int = 500
    checkpoint_every: int = 500
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(
                    f"{field.name} must be at least 1, not {getattr(self, field.name)}."
                )


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """A whole run, as its folder remembers it."""

    model: ModelOptions
    loss: LossOptions
    data: DataOptions
    photometric: PhotometricOptions
    training: TrainingOptions
    cadence: CadenceOptions = CadenceOptions()

    def to_dict(self) -> dict[str, Any]:
        """Returns nested dicts that JSON can hold."""
        return dataclasses.asdict(self)
