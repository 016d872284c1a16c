"""The photos that a run trains on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drgn_tf.data.decoded_photos import PhotoStore
from drgn_tf.data.options import SampleOptions
from drgn_tf.images.photos import DataError


class TrainingData:
    """The photos that are trained on.

    Args:
      low: low-light photos, or None where there are only normal-light photos.
      high: their references, in the same order.
      normal: normal-light photos for both kinds of synthetic pairs. By default
        those in `high`.
      thumbnail: float32 [1, H, W, 3] -> [1, T, T, 3], the network's view of a whole photo.

    Raises:
      DataError: there is neither a pair nor a normal photo.
    """

    def __init__(
        self,
        low: PhotoStore | None,
        high: PhotoStore | None,
        normal: PhotoStore | None,
        thumbnail: Callable,
    ):
        if high is None and normal is None:
            raise DataError("neither pairs nor normal photos to train on.")
        self.low, self.high = low, high
        self.normal = normal or high
        self._thumbnail = thumbnail

    def photometric_share(self, options: SampleOptions) -> float:
        """Returns the share of samples that are darkened photos."""
        # Without pairs there is nothing else to take.
        return options.photometric_fraction if self.low is not None else 1.0

    def check_crop(self, options: SampleOptions) -> None:
        """Raises DataError if a photo that is to be cropped is smaller than the crops."""
        crop_size, fraction = options.crop_size, self.photometric_share(options)
        stores = [self.low] if fraction < 1.0 else []
        stores += [self.normal] if fraction > 0.0 or options.normal else []
        photos = [
            (min(size), name, size)
            for store in stores
            for name, size in zip(store.names, store.sizes)
        ]
        side, name, (height, width) = min(photos)
        if side < crop_size:
            raise DataError(
                f"photo '{name}' is {width}x{height} pixels, smaller than the crop of "
                f"{crop_size}; choose --crop_size={side} or less, or remove the photo."
            )

    def thumbnails(self, store: PhotoStore) -> np.ndarray:
        """Returns the network's views of all photos of a store, float32 [N, T, T, 3]."""
        views = [np.asarray(self._thumbnail(store.photo(i)[np.newaxis])) for i in range(len(store))]
        return np.concatenate(views)
