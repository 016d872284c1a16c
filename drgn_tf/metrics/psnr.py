"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

from keras import ops

from drgn_tf.metrics.constants import HIGHEST_PSNR

_SMALLEST_ERROR = 10.0 ** (-HIGHEST_PSNR / 10.0)


def psnr(images, references):
    """Returns the PSNR of each image in dB, for a peak of 1.

    10 log10(1 / MSE), the mean over height, width and channels.

    Args:
      images: [B, H, W, C] in [0, 1].
      references: [B, H, W, C] in [0, 1].

    Returns:
      [B] in dB, at most 100.
    """
    error = ops.mean(ops.square(images - references), axis=(1, 2, 3))
    return ops.log(ops.maximum(error, _SMALLEST_ERROR)) * (-10.0 / math.log(10.0))
