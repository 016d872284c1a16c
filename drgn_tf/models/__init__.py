"""The networks of DRGN, written with `keras.layers` and `keras.ops` only."""

from typing import TYPE_CHECKING

from drgn_tf.files import ModelFileError
from drgn_tf.lazy import lazily
from drgn_tf.models.options import PRESETS, ModelOptions, preset

if TYPE_CHECKING:
    from drgn_tf.models.cost import macs_per_pixel
    from drgn_tf.models.discriminator import Discriminator
    from drgn_tf.models.drgn import DRGN
    from drgn_tf.models.fusion_network import (
        DegradationGenerator,
        MultiResolutionFusionNetwork,
        RefinementGenerator,
    )
    from drgn_tf.models.loading import load_model

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

# These need Keras, which programs that only run an exported network do without.
__getattr__ = lazily(
    __name__,
    {
        "DRGN": "drgn",
        "DegradationGenerator": "fusion_network",
        "Discriminator": "discriminator",
        "MultiResolutionFusionNetwork": "fusion_network",
        "RefinementGenerator": "fusion_network",
        "load_model": "loading",
        "macs_per_pixel": "cost",
    },
)
