"""The training photos of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from drgn_tf.brightness import LUMA
from drgn_tf.data.decoded_photos import PhotoStore
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.paired_photos import PairedPhotos
from drgn_tf.errors import UserError
from drgn_tf.tensors import Tensor

# Stream number of the random order of normal-light photos for the degradation generator; the
# streams of the sources count from 0.
NORMAL_STREAM = 1000


@dataclasses.dataclass(frozen=True)
class Source:
    """The photos of a share of the samples.

    Attributes:
      low: low-light photos, or None where those in `high` are to be darkened.
      high: their references in normal light, in the same order.
      share: of the samples, in [0, 1].
    """

    low: PhotoStore | None
    high: PhotoStore
    share: float


class TrainingData:
    """The training photos.

    Args:
      pairs: low-light photos and their references, or None where there are only normal-light
        photos.
      normal: normal-light photos for both kinds of synthetic pairs; None takes the references.
      thumbnail: float32 [1, H, W, 3] -> [1, T, T, 3], the network's thumbnail of a whole photo.
      extra: further sources, with the share of each; the photos above make the other samples.

    Attributes:
      pairs, extra: as given.
      normal: as given, or the references.

    Raises:
      UserError: there is neither a pair nor a normal photo.
    """

    def __init__(
        self,
        pairs: PairedPhotos | None,
        normal: PhotoStore | None,
        thumbnail: Callable[[np.ndarray], Tensor],
        extra: Sequence[Source] = (),
    ):
        if normal is None:
            if pairs is None:
                raise UserError("neither pairs nor normal photos to train on.")
            normal = pairs.high
        self.pairs = pairs
        self.normal = normal
        self.extra = tuple(extra)
        self._thumbnail = thumbnail
        self._descriptions: dict[PhotoStore, tuple[np.ndarray, np.ndarray]] = {}

    def sources(self, options: SampleOptions) -> list[Source]:
        """Returns the sources of the samples; shares add up to 1, and some may be 0."""
        rest = 1.0 - sum(source.share for source in self.extra)
        if self.pairs is None:
            return [Source(None, self.normal, rest), *self.extra]
        darkened = options.photometric_fraction
        return [
            Source(self.pairs.low, self.pairs.high, rest * (1.0 - darkened)),
            Source(None, self.normal, rest * darkened),
            *self.extra,
        ]

    @property
    def normal_stores(self) -> list[PhotoStore]:
        """Normal-light photos for the degradation generator to darken."""
        return [self.normal, *(x.high for x in self.extra if x.low is None)]

    def check_crop(self, options: SampleOptions) -> None:
        """Raises UserError if a photo that is to be cropped is smaller than the crops."""
        crop_size = options.crop_size
        stores = [source.high for source in self.sources(options) if source.share > 0]
        stores += self.normal_stores if options.normal else []
        photos = [
            (min(size), name, size)
            for store in stores
            for name, size in zip(store.names, store.sizes)
        ]
        side, name, (height, width) = min(photos)
        if side < crop_size:
            raise UserError(
                f"photo '{name}' is {width}x{height} pixels, smaller than the crop of "
                f"{crop_size}; choose --crop_size={side} or less, or remove the photo."
            )

    def thumbnails(self, store: PhotoStore) -> np.ndarray:
        """Returns the thumbnails of all photos of a store, float32 [N, T, T, 3]."""
        return self._described(store)[0]

    def brightness(self, store: PhotoStore) -> np.ndarray:
        """Returns the mean luma of all photos of a store, float32 [N]."""
        return self._described(store)[1]

    def _described(self, store: PhotoStore) -> tuple[np.ndarray, np.ndarray]:
        # Kept: several streams of samples take the same photos, and each is read as a whole.
        if store not in self._descriptions:
            thumbnails, brightness = [], []
            for index in range(len(store)):
                photo = store.photo(index)
                thumbnails.append(np.asarray(self._thumbnail(photo[np.newaxis])))
                brightness.append(photo.mean((0, 1), np.float64) @ LUMA)
            self._descriptions[store] = (
                np.concatenate(thumbnails),
                np.array(brightness, np.float32),
            )
        return self._descriptions[store]
