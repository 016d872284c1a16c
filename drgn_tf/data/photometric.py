"""Low-light pairs from normal-light photos alone, inside an input pipeline.

The physics is `drgn_tf.data.low_light_simulation`'s; here is what chance decides.
"""

from __future__ import annotations

import tensorflow as tf

from drgn_tf.data.low_light_simulation import (
    DRAWS,
    PhotometricOptions,
    darken_thumbnail,
    develop,
    expose,
    linear_to_srgb,
    recolour,
    scale_parameters,
    srgb_to_linear,
)

__all__ = [
    "PhotometricOptions",
    "darken",
    "darken_thumbnail",
    "draw_parameters",
    "expose",
    "linear_to_srgb",
    "recolour",
    "srgb_to_linear",
]


def draw_parameters(options: PhotometricOptions, seed) -> dict:
    """Draws the values of one sample.

    Args:
      options: ranges.
      seed: integer [2]; equal seeds draw equal values.

    Returns:
      See `drgn_tf.data.low_light_simulation.scale_parameters`.
    """
    return scale_parameters(options, tf.random.stateless_uniform([DRAWS], seed))


def darken(photo, parameters: dict, seed, levels: int = 255):
    """Makes a low-light photo.

    Args:
      photo: sRGB float32 [H, W, 3] in [0, 1].
      parameters: from `draw_parameters`.
      seed: integer [2], of the noise.
      levels: see `PhotometricOptions`.

    Returns:
      sRGB float32 [H, W, 3] in [0, 1], in steps of 1 / levels.
    """
    light = expose(photo, parameters)
    seeds = tf.random.split(seed, 2)
    photons = parameters["photons"]
    light = (
        tf.random.stateless_poisson(
            tf.shape(light), seeds[0], lam=light * photons, dtype=tf.float32
        )
        / photons
    )
    light += parameters["read_noise"] * tf.random.stateless_normal(tf.shape(light), seeds[1])
    return develop(light, levels)
