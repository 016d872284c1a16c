"""Grey values of colour images, and brightness matched by them.

Papers differ in what they measure: colour, or grey; results as they are, or results
scaled to the brightness of the reference. Both change the metrics by decibels, so each
has a name of its own here.
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

    It uses the reference, which nobody has who enhances a photo: metrics of such images
    say how good the content is apart from its overall brightness. Limiting to [0, 1]
    lets the means differ again where much is bright. A black image stays black.

    Args:
      images: [B, H, W, 3] in [0, 1].
      references: [B, H, W, 3] in [0, 1].

    Returns:
      [B, H, W, 3] in [0, 1].
    """
    mean = ops.mean(luma(images), axis=(1, 2, 3), keepdims=True)
    wanted = ops.mean(luma(references), axis=(1, 2, 3), keepdims=True)
    return ops.clip(images * (wanted / ops.maximum(mean, BLACK)), 0.0, 1.0)
