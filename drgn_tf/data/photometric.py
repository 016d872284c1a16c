"""Makes low-light pairs from normal-light photos inside a TensorFlow input pipeline.

`drgn_tf.data.low_light_simulation` simulates the camera; this module draws its random numbers.
"""

from __future__ import annotations

import tensorflow as tf

from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data.low_light_simulation import PhotometricOptions
from drgn_tf.tensors import Tensor


def draw_parameters(
    options: PhotometricOptions, thumbnail: Tensor, seed: Tensor
) -> dict[str, Tensor]:
    """Draws the values of one sample; equal seeds draw equal values.

    Args:
      options: ranges.
      thumbnail: sRGB float32 [T, T, 3] of the photo.
      seed: integer [2].

    Returns:
      See `drgn_tf.data.low_light_simulation.scale_parameters`.
    """
    unit = tf.random.stateless_uniform([simulation.DRAWS], seed)
    return simulation.scale_parameters(options, unit, thumbnail)


def darken(
    photo: Tensor, parameters: dict[str, Tensor], seed: Tensor, options: PhotometricOptions
) -> Tensor:
    """Makes a low-light photo.

    Args:
      photo: sRGB float32 [N, N, 3] in [0, 1].
      parameters: from `draw_parameters`.
      seed: integer [2], of the noise.
      options: ranges.

    Returns:
      sRGB float32 [N, N, 3] in [0, 1], in steps of 1 / levels.
    """
    side = simulation.largest_side(photo.shape[0], options)
    normal = tf.random.stateless_normal([side, side, simulation.NOISE_CHANNELS], seed)
    return simulation.darken(photo, parameters, normal, options)
