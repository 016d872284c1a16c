"""Small networks in which every weight matters."""

from __future__ import annotations

import keras
import numpy as np

from drgn_tf.models import DRGN, preset


def with_random_weights(gain: float = 1.0, **changes) -> DRGN:
    """Makes a tiny network that leaves no weight at zero, where whole layers would do nothing.

    Args:
      gain: of the last layer.
      **changes: options that differ from those of the preset.
    """
    keras.utils.set_random_seed(5)
    model = DRGN(preset("tiny", **changes))
    model.build()
    generator = np.random.default_rng(5)
    for variable in model.trainable_variables:
        noise = generator.normal(0, 0.05, variable.shape)
        variable.assign(keras.ops.convert_to_numpy(variable) + noise)
    # Into the middle of the range: what is cut off at 0 or 1 would agree with anything.
    to_image = model.refinement_generator.to_image
    to_image.kernel.assign(gain * keras.ops.convert_to_numpy(to_image.kernel))
    to_image.bias.assign(gain * keras.ops.convert_to_numpy(to_image.bias) + 0.5)
    return model


def with_few_blocks(**changes) -> DRGN:
    """The same with blocks on the 1/2 grid alone: others like them would take as long again."""
    return with_random_weights(branch_blocks=0, fusion_blocks=0, **changes)
