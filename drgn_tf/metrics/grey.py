"""Luma of colour images, and GT-mean scaling by it.

Papers measure either colour or grey, and results either as they are or scaled to the
brightness of the reference (GT-mean). Both choices change the metrics by decibels, so
each variant has its own name here.
"""

from __future__ import annotations

from keras import ops

from drgn_tf.brightness import LUMA
from drgn_tf.metrics.constants import BLACK
from drgn_tf.tensors import Tensor


def luma(images: Tensor) -> Tensor:
    """Returns the grey values of RGB images: BT.601 luma, not rounded.

    Args:
      images: [..., 3], array or tensor.

    Returns:
      [..., 1] in the range of `images`.
    """
    red, green, blue = images[..., 0:1], images[..., 1:2], images[..., 2:3]
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def scale_to_gt_mean(images: Tensor, references: Tensor) -> Tensor:
    """Scales each image so that its grey mean is that of its reference (GT-mean).

    It uses the reference, which nobody has when enhancing a photo: metrics of such images
    rate the content apart from its overall brightness. Clipping to [0, 1] makes the means
    differ again where large parts are bright. A black image stays black.

    Args:
      images: [B, H, W, 3] in [0, 1].
      references: [B, H, W, 3] in [0, 1].

    Returns:
      [B, H, W, 3] in [0, 1].
    """
    mean = ops.mean(luma(images), axis=(1, 2, 3), keepdims=True)
    wanted = ops.mean(luma(references), axis=(1, 2, 3), keepdims=True)
    return ops.clip(images * (wanted / ops.maximum(mean, BLACK)), 0.0, 1.0)
