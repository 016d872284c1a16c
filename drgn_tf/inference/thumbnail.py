"""The thumbnail of a photo of any size, without converting the photo to floats.

`drgn_tf.models.context.thumbnail` in numpy: 4x4 averages, then bilinear sampling. Only the
sampled averages are computed, so a photo of 100 megapixels takes no more time or memory than
a small one.
"""

from __future__ import annotations

import numpy as np

from drgn_tf.models.options import GRID_FACTOR


def photo_thumbnail(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns the thumbnail of a whole photo for the network.

    Args:
      pixels: [H, W, 3], uint8, uint16, or float in [0, 1].
      size: height and width of the thumbnail in pixels.

    Returns:
      float32 [1, size, size, 3] in [0, 1].
    """
    rows, row_shares = _bilinear_sources(-(-pixels.shape[0] // GRID_FACTOR), size)
    columns, column_shares = _bilinear_sources(-(-pixels.shape[1] // GRID_FACTOR), size)
    # Pixels of the sampled blocks; the last row and column are repeated beyond the border.
    y = np.minimum(_block_pixels(rows), pixels.shape[0] - 1)
    x = np.minimum(_block_pixels(columns), pixels.shape[1] - 1)
    values = pixels[np.ix_(y, x)].astype(np.float32)
    if np.issubdtype(pixels.dtype, np.integer):
        values /= np.iinfo(pixels.dtype).max
    blocks = values.reshape(2 * size, GRID_FACTOR, 2 * size, GRID_FACTOR, 3).mean((1, 3))
    blocks = blocks.reshape(size, 2, size, 2, 3)
    return np.einsum("yaxbc,ya,xb->yxc", blocks, row_shares, column_shares)[np.newaxis]


def _bilinear_sources(length: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two source positions of each sample [2 * size], and their shares [size, 2]."""
    centres = np.maximum((np.arange(size, dtype=np.float64) + 0.5) * length / size - 0.5, 0.0)
    first = np.minimum(np.floor(centres), length - 1)
    share = centres - first
    positions = np.stack([first, np.minimum(first + 1, length - 1)], axis=1).astype(np.int64)
    return positions.reshape(-1), np.stack([1.0 - share, share], axis=1).astype(np.float32)


def _block_pixels(blocks: np.ndarray) -> np.ndarray:
    return (blocks[:, np.newaxis] * GRID_FACTOR + np.arange(GRID_FACTOR)).reshape(-1)
