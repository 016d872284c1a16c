"""PSNR, and SSIM (Wang et al., IEEE TIP 2004), of batches, on any backend of Keras."""

from __future__ import annotations

import math

from keras import ops

from drgn_tf.metrics.constants import HIGHEST_PSNR, SIGMA, WINDOW
from drgn_tf.tensors import Tensor

_SMALLEST_ERROR = 10.0 ** (-HIGHEST_PSNR / 10.0)


def psnr(images: Tensor, references: Tensor) -> Tensor:
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


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Returns the SSIM of each image: the mean over colour channels and windows.

    Args:
      images: [B, H, W, C] in [0, 1], at least 11x11.
      references: [B, H, W, C] in [0, 1].

    Returns:
      [B], at most 1.
    """
    return ops.image.ssim(images, references, max_val=1.0, filter_size=WINDOW, filter_sigma=SIGMA)
