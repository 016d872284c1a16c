"""The SSIM loss, fast enough to be differentiated in every step.

Frameworks compute the Gaussian windows by depthwise convolutions of 11x11, which are
slow on CPUs, and their gradients even more so. For crops of a known size the same
sums are two products with a banded matrix. A test compares it with
`drgn_tf.metrics.ssim`; a benchmark measures the speed of both.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from drgn_tf.metrics.constants import C1, C2, SIGMA, WINDOW
from drgn_tf.tensors import Tensor


def _window_matrix(size: int) -> np.ndarray:
    """Returns [size - 10, size]: each row holds a normalised Gaussian window, shifted by one."""
    if size < WINDOW:
        raise ValueError(f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels, not {size}.")
    offsets = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * SIGMA**2))
    window /= window.sum()
    matrix = np.zeros((size - WINDOW + 1, size), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + WINDOW] = window
    return matrix


def ssim_loss(images: Tensor, references: Tensor) -> Tensor:
    """Returns 1 - SSIM, the mean over the batch.

    Args:
      images: [B, H, W, C], H and W known and at least 11.
      references: [B, H, W, C].

    Returns:
      A scalar without unit: 0 for identical images, at most 2.
    """
    height, width = images.shape[1:3]
    rows = ops.cast(_window_matrix(height), images.dtype)
    columns = ops.cast(_window_matrix(width), images.dtype)
    moments = ops.concatenate(
        [images, references, ops.square(images) + ops.square(references), images * references],
        axis=-1,
    )
    # Height, then width; tensordot moves the contracted axis to the front.
    moments = ops.tensordot(columns, ops.tensordot(rows, moments, [[1], [1]]), [[1], [2]])
    mean_x, mean_y, mean_squares, mean_product = ops.split(moments, 4, axis=-1)
    product_of_means = mean_x * mean_y
    squares_of_means = ops.square(mean_x) + ops.square(mean_y)
    luminance = (2 * product_of_means + C1) / (squares_of_means + C1)
    structure = (2 * (mean_product - product_of_means) + C2) / (
        mean_squares - squares_of_means + C2
    )
    return 1.0 - ops.mean(luminance * structure)
