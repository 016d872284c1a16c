"""The content loss."""

from __future__ import annotations

from keras import ops

from drgn_tf.tensors import Tensor

# [chosen], in units of the image range: differences below it count quadratically.
EPSILON = 1e-3


def charbonnier(images: Tensor, references: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Returns the Charbonnier loss: the mean of sqrt(d^2 + epsilon^2), a smooth L1.

    (Charbonnier et al., ICIP 1994; Lai et al., CVPR 2017.)

    Args:
      images: [B, H, W, C].
      references: [B, H, W, C].
      epsilon: in units of the image range.

    Returns:
      A scalar in units of the image range, `epsilon` for identical images.
    """
    return ops.mean(ops.sqrt(ops.square(images - references) + epsilon**2))
