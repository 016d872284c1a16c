"""The options of a training run: training, reporting intervals, and the whole run."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from drgn_tf.data import DataOptions, PhotometricOptions, SampleOptions
from drgn_tf.losses import LossOptions, for_model
from drgn_tf.models import ModelOptions

BACKENDS = ("tensorflow", "jax")
STRATEGIES = ("auto", "single", "mirrored", "multi_worker")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
MONITORS = ("psnr", "ssim", "psnr_given", "ssim_given")


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How the weights are improved [chosen].

    Attributes:
      steps: optimizer steps of the whole run.
      batch_size: samples a step, over all devices and workers.
      crop_size: side of the training crops in pixels; at least 16.
      photometric_fraction: see `drgn_tf.data.SampleOptions`.
      exposure_jitter: see `drgn_tf.data.SampleOptions`.
      pair_files: see `drgn_tf.data.SampleOptions`.
      pair_well_lit: see `drgn_tf.data.SampleOptions`.
      relight: see `drgn_tf.data.SampleOptions`.
      relight_share: see `drgn_tf.data.SampleOptions`.
      learning_rate: peak rate of the generators' Adam.
      discriminator_learning_rate: peak rate of the discriminators' Adam.
      warmup_steps: steps over which both rates grow from 0.
      final_learning_rate_ratio: where the cosine ends, as a fraction of the peak.
      clip_norm: largest global norm of the gradients, after adding up all devices'.
      ema_decay: of the averaged weights, which are what is evaluated and saved.
      init_weights: .keras file of a network of the same shape to start from, for fine-tuning;
        empty for random weights.
      gradient_accumulation_steps: micro-batches into which each device's share of a batch is cut,
        computed one after the other: as if the batch were whole, in a fraction of the memory.
      precision: "float32"; "mixed_bfloat16" or "mixed_float16", in which the generators' layers
        compute, the latter with loss scaling.
      xla: compile forward and backward pass with XLA.
      monitor: which validation metric chooses the weights that are kept as the best: "psnr" or
        "ssim" of automatic results, or of those whose brightness is given ("psnr_given",
        "ssim_given"); the mean over all sets of held-out pairs.
      seed: of the initial weights and of all samples.
      deterministic: bit-identical reruns, at some cost in speed.
    """

    steps: int = 100_000
    batch_size: int = 8
    crop_size: int = 96
    photometric_fraction: float = 0.0
    exposure_jitter: float = 0.0
    pair_files: float = 0.0
    pair_well_lit: float = 0.0
    relight: float = 0.0
    relight_share: float = 0.0
    learning_rate: float = 4e-4
    discriminator_learning_rate: float = 2e-4
    warmup_steps: int = 200
    final_learning_rate_ratio: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    init_weights: str = ""
    gradient_accumulation_steps: int = 1
    precision: str = "float32"
    xla: bool = False
    monitor: str = "psnr"
    seed: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{field.name} must be a finite number, not {value}.")
        for name in (
            "steps",
            "batch_size",
            "learning_rate",
            "discriminator_learning_rate",
            "clip_norm",
            "gradient_accumulation_steps",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}.")
        if self.crop_size < 16:
            raise ValueError(f"crop_size must be at least 16, not {self.crop_size}.")
        for name in ("warmup_steps", "exposure_jitter", "relight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}.")
        for name in (
            "photometric_fraction",
            "pair_files",
            "pair_well_lit",
            "relight_share",
            "final_learning_rate_ratio",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}.")
        for name, choices in (("precision", PRECISIONS), ("monitor", MONITORS)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"unknown {name} '{getattr(self, name)}'; choose one of: {', '.join(choices)}."
                )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), not {self.ema_decay}.")


@dataclasses.dataclass(frozen=True)
class CadenceOptions:
    """How often a run calls, reports and saves. May differ when a run is continued.

    Attributes:
      log_every: steps between lines in metrics.csv and TensorBoard, and checks for NaN.
      validate_every: steps between validations.
      checkpoint_every: steps between checkpoints.
      keep_checkpoints: how many are kept.
      steps_per_call: most steps in one call into the graph. A signal waits for its end.
      profile: steps to profile for TensorBoard; 0 for none.
    """

    log_every: int = 50
    validate_every: int = 500
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    steps_per_call: int = 1
    profile: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            lowest = 0 if field.name == "profile" else 1
            if getattr(self, field.name) < lowest:
                raise ValueError(
                    f"{field.name} must be at least {lowest}, not {getattr(self, field.name)}."
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

    @property
    def sample_options(self) -> SampleOptions:
        """How samples are drawn."""
        return SampleOptions(
            crop_size=self.training.crop_size,
            batch_size=self.training.batch_size,
            seed=self.training.seed,
            photometric_fraction=self.training.photometric_fraction,
            photometric=self.photometric,
            exposure_jitter=self.training.exposure_jitter,
            pair_files=self.training.pair_files,
            pair_well_lit=self.training.pair_well_lit,
            relight=self.training.relight,
            relight_share=self.training.relight_share,
            normal=for_model(self.loss, self.model).synthetic,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns nested dicts that JSON can hold."""
        return dataclasses.asdict(self)
