"""The photos of the benchmarks: free sample photos, darkened, in any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from drgn_tf.data import TrainingData


def size_of(megapixels: float) -> tuple[int, int]:
    """Returns (height, width) in pixels of a 4:3 photo; both are multiples of 4, as in cameras."""
    width = 4 * round((megapixels * 1e6 * 4 / 3) ** 0.5 / 4)
    return max(4, 4 * round(width * 3 / 16)), max(4, width)


def dark_photo(height: int, width: int) -> np.ndarray:
    """Returns a low-light photo, uint8 [height, width, 3], made by repeating a free one."""
    from drgn_tf.data import sample
    from drgn_tf.images.photos import read_photo

    dark = darkened(read_photo(sample.training_photos()[1]))
    repeats = (-(-height // dark.shape[0]), -(-width // dark.shape[1]), 1)
    return np.tile(dark, repeats)[:height, :width]


def darkened(photo: np.ndarray) -> np.ndarray:
    """Returns a photo, uint8 [H, W, 3], in low light: a gamma and a gain, without noise."""
    return np.round(255 * 0.6 * (photo / 255.0) ** 2.5).astype(np.uint8)


def training_data(thumbnail: Callable) -> TrainingData:
    """Returns the free photos as training pairs, darkened once.

    Args:
      thumbnail: see `drgn_tf.data.TrainingData`.
    """
    from drgn_tf.data import (
        DataOptions,
        PhotometricOptions,
        TrainingData,
        load_run_data,
        sample,
    )
    from drgn_tf.data.loading import darkened_pairs

    options = PhotometricOptions()
    photos = load_run_data(DataOptions(sample.NAME), options, thumbnail).training.normal
    return TrainingData(darkened_pairs(photos, options), None, thumbnail)
