"""Structural similarity (Wang et al., IEEE TIP 2004)."""

from __future__ import annotations

from keras import ops

from drgn_tf.metrics.constants import SIGMA, WINDOW


def ssim(images, references):
    """Returns the SSIM of each image: the mean over colour channels and windows.

    Args:
      images: [B, H, W, C] in [0, 1], at least 11x11.
      references: [B, H, W, C] in [0, 1].

    Returns:
      [B], at most 1.
    """
    return ops.image.ssim(images, references, max_val=1.0, filter_size=WINDOW, filter_sigma=SIGMA)
