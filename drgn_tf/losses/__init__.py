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
from drgn_tf.losses.transformed import (
    chroma_difference,
    gradient_difference,
    spectral_difference,
)

__all__ = [
    "LossOptions",
    "charbonnier",
    "chroma_difference",
    "discriminator_adversarial",
    "gaussian_divergence",
    "generator_adversarial",
    "gradient_difference",
    "objective",
    "scale_to_reference",
    "spectral_difference",
    "structural_dissimilarity",
    "synthesize_low_light",
    "term_names",
]
