"""What training minimises, written with `keras.ops` only."""

from drgn_tf.losses.adversarial import discriminator_adversarial, generator_adversarial
from drgn_tf.losses.charbonnier import charbonnier
from drgn_tf.losses.divergence import gaussian_divergence
from drgn_tf.losses.objective import (
    LossOptions,
    objective,
    scale_to_reference,
    synthesize_low_light,
    term_names,
)
from drgn_tf.losses.ssim import structural_dissimilarity

__all__ = [
    "LossOptions",
    "charbonnier",
    "discriminator_adversarial",
    "gaussian_divergence",
    "generator_adversarial",
    "objective",
    "scale_to_reference",
    "structural_dissimilarity",
    "synthesize_low_light",
    "term_names",
]
