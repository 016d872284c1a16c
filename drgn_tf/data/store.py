"""Decoded photos in memory, cropped inside the input graph.

Every file is decoded once, when the store is made, so a damaged one is found
before training starts. Pixels stay integers until after the crop.
"""

from __future__ import annotations

import pathlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from drgn_tf.data.photos import BadImageError, DataError, read_photo, to_float


class PhotoStore:
    """Photos of any sizes, one behind the other in one buffer.

    Args:
      photos: uint8 or uint16 [H, W, 3] each. All are kept in 16 bits if one is.
      names: one a photo, for messages and reports.

    Attributes:
      names: as given.
      sizes: (height, width) of each photo in pixels.
      peak: greatest value that a pixel can have: 255.0 or 65535.0.
    """

    def __init__(self, photos: Sequence[np.ndarray], names: Sequence[str]):
        self.names = list(names)
        self.sizes = [photo.shape[:2] for photo in photos]
        dtype = np.uint16 if any(photo.dtype == np.uint16 for photo in photos) else np.uint8
        ends = np.cumsum([photo.size for photo in photos], dtype=np.int64)
        self._starts = ends - [photo.size for photo in photos]
        pixels = np.empty(ends[-1], dtype)
        for start, end, photo in zip(self._starts, ends, photos):
            # 257 = 65535 / 255: the same value in 16 bits.
            factor = 257 if photo.dtype != dtype else 1
            pixels[start:end] = photo.ravel() * dtype(factor)
        self.checksums = [
            zlib.crc32(pixels[start:end].data) for start, end in zip(self._starts, ends)
        ]
        # The one copy that stays; graphs and `photo` both read it. Not on a GPU.
        with tf.device("CPU:0"):
            self._pixels = tf.constant(pixels)
        self.peak = float(np.iinfo(dtype).max)

    def __len__(self) -> int:
        return len(self.names)

    def photo(self, index: int) -> np.ndarray:
        """Returns photo `index` as float32 [H, W, 3] in [0, 1]."""
        height, width = self.sizes[index]
        start = self._starts[index]
        with tf.device("CPU:0"):
            pixels = self._pixels[start : start + height * width * 3].numpy()
        return to_float(pixels.reshape(height, width, 3))

    def cropper(self) -> Callable:
        """Returns a function for use inside a graph: (index, top, left, size) -> crop.

        The crop is float32 [size, size, 3] in [0, 1].
        """
        starts = tf.constant(self._starts)
        widths = tf.constant([width for _, width in self.sizes], tf.int64)

        def crop(index, top, left, size: int):
            # Whole rows first: they lie behind each other.
            width = widths[index]
            start = starts[index] + tf.cast(top, tf.int64) * width * 3
            rows = tf.slice(self._pixels, [start], [size * width * 3])
            crop = tf.reshape(rows, [size, width, 3])[:, left : left + size]
            return tf.cast(tf.ensure_shape(crop, [size, size, 3]), tf.float32) / self.peak

        return crop

    def size_table(self) -> tf.Tensor:
        """Returns heights and widths, int32 [N, 2]."""
        return tf.constant(self.sizes, tf.int32)


def read_rows(
    rows: Sequence[tuple[pathlib.Path, ...]],
    on_bad: Callable[[DataError], None] | None = None,
) -> dict[str, list[np.ndarray]]:
    """Reads rows of photos that must be of one size: pairs, or single photos.

    Args:
      rows: paths.
      on_bad: is told of each row that cannot be used, which is then left out. By
        default the first one is raised.

    Returns:
      The photos of each row, by the stem of its first path.

    Raises:
      DataError: a photo cannot be used, sizes within a row differ, or nothing is left.
    """

    def read(row: tuple[pathlib.Path, ...]):
        try:
            photos = [read_photo(path) for path in row]
            for path, photo in zip(row[1:], photos[1:]):
                if photo.shape != photos[0].shape:
                    raise BadImageError(
                        f"{path}: is {photo.shape[1]}x{photo.shape[0]} pixels but "
                        f"{row[0]} is {photos[0].shape[1]}x{photos[0].shape[0]}; "
                        "a pair must show the same view in one size."
                    )
            return photos
        except BadImageError as error:
            return error

    # Decoders release the interpreter lock.
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(read, rows))
    kept = {}
    for row, result in zip(rows, results):
        if not isinstance(result, DataError):
            kept[row[0].stem] = result
        elif on_bad is None:
            raise result
        else:
            on_bad(result)
    if not kept:
        raise DataError(f"{rows[0][0].parent}: none of the {len(rows)} photos can be used.")
    return kept


def make_stores(
    rows: Mapping[str, Sequence[np.ndarray]], stems: Iterable[str] | None = None
) -> list[PhotoStore]:
    """Makes a store of each column of what `read_rows` returned.

    Args:
      rows: photos by stem.
      stems: those to take, in this order; by default all.
    """
    stems = list(rows if stems is None else stems)
    return [PhotoStore(column, stems) for column in zip(*(rows[stem] for stem in stems))]
