"""Low-light photos and their references."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from drgn_tf.data.decoded_photos import PhotoStore


@dataclasses.dataclass(frozen=True)
class PairedPhotos:
    """Whole pairs, read one at a time as float32 [H, W, 3] in [0, 1].

    Attributes:
      low: low-light photos.
      high: their references in normal light, in the same order.
    """

    low: PhotoStore
    high: PhotoStore

    def __len__(self) -> int:
        return len(self.low)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yields (stem, low, high)."""
        for index, name in enumerate(self.low.names):
            low = self.low.photo(index)
            yield name, low, low if self.low is self.high else self.high.photo(index)

    def select(self, names: Sequence[str]) -> PairedPhotos:
        """Returns these pairs, in this order."""
        return PairedPhotos(self.low.select(names), self.high.select(names))
