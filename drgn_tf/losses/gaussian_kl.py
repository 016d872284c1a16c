"""The Kullback-Leibler term between degradations.

The paper uses one, but does not say between which distributions. [chosen]: Gaussians
per image and channel. (A softmax over the image, the other possible reading, would
ignore a constant offset, and a degradation is nearly constant.)
"""

from __future__ import annotations

from keras import ops

from drgn_tf.tensors import Tensor

# Added to both variances, (2.5 / 255)^2: a degradation may be perfectly flat.
VARIANCE_FLOOR = 1e-4


def gaussian_kl(degradations: Tensor, synthetic_degradations: Tensor) -> Tensor:
    """Returns KL(P || Q) of Gaussians fitted to each image and channel, averaged.

    With means m and variances v over height and width,
    KL = (log(v_Q / v_P) + (v_P + (m_P - m_Q)^2) / v_Q - 1) / 2.

    Args:
      degradations: I_D [B, H, W, C], gives P.
      synthetic_degradations: I_D,ref [B, H, W, C], gives Q.

    Returns:
      A scalar in nats, 0 where means and variances agree.
    """
    mean_p, variance_p = ops.moments(degradations, axes=(1, 2))
    mean_q, variance_q = ops.moments(synthetic_degradations, axes=(1, 2))
    variance_p = variance_p + VARIANCE_FLOOR
    variance_q = variance_q + VARIANCE_FLOOR
    ratio = (variance_p + ops.square(mean_p - mean_q)) / variance_q
    return ops.mean(ops.log(variance_q / variance_p) + ratio - 1.0) / 2.0
