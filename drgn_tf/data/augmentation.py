"""Random crops, flips, rotations and exposures, each a function of a seed alone."""

from __future__ import annotations

import tensorflow as tf

from drgn_tf.tensors import Tensor


def random_offset(size: Tensor, crop: int, seed: Tensor) -> Tensor:
    """Draws where a crop begins, uniformly.

    Args:
      size: int32 [2], height and width of the photo, not smaller than `crop`.
      crop: side of the crop in pixels.
      seed: integer [2].

    Returns:
      int32 [2]: top and left.
    """
    unit = tf.random.stateless_uniform([2], seed)
    room = tf.cast(size - crop + 1, tf.float32)
    # float32 can round a draw just below 1 up to 1.
    return tf.minimum(tf.cast(unit * room, tf.int32), size - crop)


def random_symmetry(seed: Tensor) -> Tensor:
    """Draws one of the 8 flips and rotations of a square: int32 in [0, 8)."""
    return tf.random.stateless_uniform([], seed, maxval=8, dtype=tf.int32)


def apply_symmetry(image: Tensor, symmetry: Tensor) -> Tensor:
    """Rotates a square image by quarter turns, then perhaps mirrors it.

    Args:
      image: [S, S, C].
      symmetry: int32 in [0, 8): quarter turns counter-clockwise, plus 4 to mirror.

    Returns:
      [S, S, C].
    """
    # Not tf.image.rot90: its branches take longer to build than all else in a sample.
    turns, mirrored = symmetry % 4, symmetry >= 4
    turned = tf.transpose(image, tf.where(turns % 2 == 1, [1, 0, 2], [0, 1, 2]))
    upside_down = (turns == 1) | (turns == 2)
    left_to_right = (turns >= 2) ^ mirrored
    turned = tf.raw_ops.Reverse(tensor=turned, dims=[upside_down, left_to_right, False])
    return tf.ensure_shape(turned, image.shape)


def random_exposure(jitter: float, seed: Tensor) -> Tensor:
    """Draws a factor whose log2 is uniform in [-jitter, jitter]."""
    return tf.pow(2.0, tf.random.stateless_uniform([], seed, -jitter, jitter))
