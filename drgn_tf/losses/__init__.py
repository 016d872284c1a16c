"""The losses of training, written with `keras.ops` only."""

from drgn_tf.losses.adversarial import discriminator_adversarial, generator_adversarial
from drgn_tf.losses.auxiliary_losses import (
    chroma_difference,
    gradient_difference,
    spectral_difference,
)
from drgn_tf.losses.charbonnier import charbonnier
from drgn_tf.losses.gaussian_kl import gaussian_kl
from drgn_tf.losses.objective import (
    LossOptions,
    for_model,
    low_frequencies,
    mean_difference,
    objective,
    scale_to_gt_mean,
    synthesize_low_light,
    term_names,
)
from drgn_tf.losses.ssim import ssim_loss

__all__ = [
    "LossOptions",
    "charbonnier",
    "chroma_difference",
    "discriminator_adversarial",
    "for_model",
    "gaussian_kl",
    "generator_adversarial",
    "gradient_difference",
    "low_frequencies",
    "mean_difference",
    "objective",
    "scale_to_gt_mean",
    "spectral_difference",
    "ssim_loss",
    "synthesize_low_light",
    "term_names",
]
