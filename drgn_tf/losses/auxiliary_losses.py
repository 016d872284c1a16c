"""Distances of images in other representations: edges, frequencies, colour.

Each is a mean of (smoothed) absolute differences after a linear transform of both images. They are
added to `charbonnier`. Gradients and chroma cannot replace it: they ignore overall brightness.
"""

from __future__ import annotations

from keras import ops

from drgn_tf.brightness import CHROMA
from drgn_tf.losses.charbonnier import charbonnier
from drgn_tf.tensors import Tensor


def gradient_difference(images: Tensor, references: Tensor) -> Tensor:
    """Returns the Charbonnier loss of horizontal and vertical gradients, ignoring brightness.

    Args:
      images: [B, H, W, C], H and W at least 2.
      references: [B, H, W, C].

    Returns:
      A scalar, the mean of both directions, in units of the image range per pixel.
    """
    difference = images - references
    across = charbonnier(difference[:, :, 1:], difference[:, :, :-1])
    down = charbonnier(difference[:, 1:], difference[:, :-1])
    return 0.5 * (across + down)


def spectral_difference(images: Tensor, references: Tensor) -> Tensor:
    """Returns the mean absolute difference of Fourier coefficients, real and imaginary parts.

    (Cho et al., "Rethinking Coarse-to-Fine Approach in Single Image Deblurring", ICCV 2021, there
    not normalised.) The transform is orthonormal, so the loss of noise does not depend on the crop
    size: it is that of its pixels divided by the root of two.

    Args:
      images: [B, H, W, C], H and W known; the transform treats the borders of a crop as edges.
      references: [B, H, W, C].

    Returns:
      A scalar in units of the image range.
    """
    difference = ops.transpose(images - references, (0, 3, 1, 2))
    real, imaginary = ops.fft2((difference, ops.zeros_like(difference)))
    height, width = images.shape[1:3]
    total = ops.mean(ops.abs(real)) + ops.mean(ops.abs(imaginary))
    return 0.5 * total / (height * width) ** 0.5


def chroma_difference(images: Tensor, references: Tensor) -> Tensor:
    """Returns the Charbonnier loss of Cb and Cr (BT.601): colour without luminance.

    Args:
      images: RGB [B, H, W, 3].
      references: RGB [B, H, W, 3].

    Returns:
      A scalar in units of the image range.
    """
    matrix = ops.transpose(ops.cast(ops.array(CHROMA), images.dtype))
    return charbonnier(ops.matmul(images - references, matrix), 0.0)
