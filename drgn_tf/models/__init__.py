"""The networks of DRGN, written with `keras.layers` and `keras.ops` only."""

from drgn_tf.models.cost import macs_per_pixel
from drgn_tf.models.discriminator import Discriminator
from drgn_tf.models.drgn import DRGN
from drgn_tf.models.fusion_network import (
    DegradationGenerator,
    MultiResolutionFusionNetwork,
    RefinementGenerator,
)
from drgn_tf.models.loading import ModelFileError, load_model
from drgn_tf.models.options import PRESETS, ModelOptions, preset

__all__ = [
    "DRGN",
    "PRESETS",
    "DegradationGenerator",
    "Discriminator",
    "ModelFileError",
    "ModelOptions",
    "MultiResolutionFusionNetwork",
    "RefinementGenerator",
    "load_model",
    "macs_per_pixel",
    "preset",
]
