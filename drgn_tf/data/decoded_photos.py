"""Decoded photos, in memory or in a cache on disk, cropped inside the input graph.

Every file is decoded once, when the store is created, so damaged files are found
before training starts. Pixels stay integers until after the crop.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import os
import pathlib
import zlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from drgn_tf.data.disk_cache import MappedPixels, cached_photos, widened
from drgn_tf.errors import BadImageError, UserError
from drgn_tf.images.photos import read_photo, to_float
from drgn_tf.tensors import Tensor

if TYPE_CHECKING:
    import tensorflow as tf


class _MemoryPixels:
    """Pixels in memory, one copy for graphs and for whole photos."""

    def __init__(self, pixels: np.ndarray):
        self.dtype = pixels.dtype
        self._pixels = pixels
        self._tensor: tf.Tensor | None = None

    def read(self, start: int, count: int) -> np.ndarray:
        return self._pixels[start : start + count]

    def tensor(self) -> tf.Tensor:
        if self._tensor is None:
            # Imported here and below, because photos are also read without TensorFlow.
            import tensorflow as tf

            # Shares the memory, of which tf.constant would keep two copies; on the CPU, eagerly.
            with tf.init_scope(), tf.device("CPU:0"):
                self._tensor = tf.experimental.dlpack.from_dlpack(self._pixels.__dlpack__())
        return self._tensor


class PhotoStore:
    """Photos of any sizes, stored consecutively. Created by `read_stores` and `store_in_memory`.

    Args:
      pixels: uint8 or uint16 values of all photos.
      names: one per photo, for messages and reports.
      sizes: (height, width) of each photo in pixels.
      checksums: of the pixels of each photo.

    Attributes:
      names, sizes, checksums: as given.
      peak: largest possible pixel value: 255.0 or 65535.0.
    """

    def __init__(
        self,
        pixels: _MemoryPixels | MappedPixels,
        names: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        checksums: Sequence[int],
    ):
        self.names, self.sizes, self.checksums = list(names), list(sizes), list(checksums)
        self.peak = float(np.iinfo(pixels.dtype).max)
        self._pixels = pixels
        counts = [height * width * 3 for height, width in sizes]
        self._starts = np.cumsum([0, *counts[:-1]], dtype=np.int64)

    def select(self, names: Sequence[str]) -> PhotoStore:
        """Returns a store of these photos in this order that shares the pixels."""
        positions = {name: index for index, name in enumerate(self.names)}
        chosen = [positions[name] for name in names]
        store = copy.copy(self)
        store.names = list(names)
        store.sizes = [self.sizes[index] for index in chosen]
        store.checksums = [self.checksums[index] for index in chosen]
        store._starts = self._starts[chosen]
        return store

    def __len__(self) -> int:
        return len(self.names)

    def photo(self, index: int) -> np.ndarray:
        """Returns photo `index` as float32 [H, W, 3] in [0, 1]."""
        return to_float(self.pixels(index))

    def pixels(self, index: int) -> np.ndarray:
        """Returns the stored pixels of photo `index`, uint8 or uint16 [H, W, 3]."""
        height, width = self.sizes[index]
        pixels = self._pixels.read(int(self._starts[index]), height * width * 3)
        return pixels.reshape(height, width, 3)

    def cropper(self) -> Callable[[Tensor, Tensor, Tensor, int], Tensor]:
        """Returns a function for use inside a graph: (index, top, left, size) -> crop.

        The crop is float32 [size, size, 3] in [0, 1].
        """
        import tensorflow as tf

        starts = tf.constant(self._starts)
        widths = tf.constant([width for _, width in self.sizes], tf.int64)

        def crop(index: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
            # Whole rows first, because they are contiguous.
            width = widths[index]
            start = starts[index] + tf.cast(top, tf.int64) * width * 3
            rows = tf.slice(self._pixels.tensor(), [start], [size * width * 3])
            crop = tf.reshape(rows, [size, width, 3])[:, left : left + size]
            return tf.cast(tf.ensure_shape(crop, [size, size, 3]), tf.float32) / self.peak

        return crop

    def size_table(self) -> tf.Tensor:
        """Returns heights and widths, int32 [N, 2]."""
        import tensorflow as tf

        return tf.constant(self.sizes, tf.int32)


def store_in_memory(photos: Sequence[np.ndarray], names: Sequence[str]) -> PhotoStore:
    """Creates a store of decoded photos.

    Args:
      photos: uint8 or uint16 [H, W, 3] each. All are stored in 16 bits if one has 16.
      names: one per photo.
    """
    return _packed(list(photos), names)


def _packed(photos: list[np.ndarray], names: Sequence[str]) -> PhotoStore:
    # Empties the list while copying, so that few photos are in memory twice.
    sizes = [photo.shape[:2] for photo in photos]
    dtype = max((photo.dtype for photo in photos), key=lambda dtype: dtype.itemsize)
    pixels = _aligned(sum(photo.size for photo in photos), dtype)
    checksums = []
    end = 0
    photos.reverse()
    while photos:
        photo = widened(photos.pop().ravel(), dtype)
        start, end = end, end + photo.size
        pixels[start:end] = photo
        checksums.append(zlib.crc32(pixels[start:end].data))
    return PhotoStore(_MemoryPixels(pixels), names, sizes, checksums)


def _aligned(count: int, dtype: np.dtype) -> np.ndarray:
    """Returns an array with the alignment of TensorFlow's tensors."""
    memory = np.empty(count * dtype.itemsize + 64, np.uint8)
    begin = -memory.ctypes.data % 64
    return memory[begin : begin + count * dtype.itemsize].view(dtype)


def _decoded(
    rows: Sequence[tuple[pathlib.Path, ...]],
) -> Generator[list[np.ndarray] | BadImageError, None, None]:
    """Yields the photos of each row, which must have one size, or the error of the row."""

    def read(row: tuple[pathlib.Path, ...]) -> list[np.ndarray] | BadImageError:
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

    # Decoders release the interpreter lock. Only a few decoded photos wait, because all of them
    # may not fit into memory.
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        ahead: collections.deque[Future[list[np.ndarray] | BadImageError]] = collections.deque()
        for row in rows:
            ahead.append(pool.submit(read, row))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def read_rows(
    rows: Sequence[tuple[pathlib.Path, ...]],
    on_bad: Callable[[UserError], None] | None = None,
) -> dict[str, list[np.ndarray]]:
    """Reads rows of photos that must be of one size: pairs, or single photos.

    Args:
      rows: paths.
      on_bad: called with the error of each unusable row, which is then left out. By
        default the first error is raised.

    Returns:
      The photos of each row, by the stem of its first path.

    Raises:
      UserError: a photo cannot be used, sizes within a row differ, or nothing is left.
    """
    kept = {}
    with contextlib.closing(_decoded(rows)) as decoded:
        for row, photos in zip(rows, decoded):
            if not isinstance(photos, BadImageError):
                kept[row[0].stem] = photos
            elif on_bad is None:
                raise photos
            else:
                on_bad(photos)
    if not kept:
        raise UserError(f"{rows[0][0].parent}: none of the {len(rows)} photos can be used.")
    return kept


def read_stores(
    rows: Sequence[tuple[pathlib.Path, ...]],
    on_bad: Callable[[UserError], None] | None = None,
    cache_dir: str | pathlib.Path = "",
) -> list[PhotoStore]:
    """Creates a store for each column of rows of photos, named by the stems of the first column.

    Args:
      rows: paths, as for `read_rows`.
      on_bad: called with the error of each unusable row, which is then left out. By
        default the first error is raised.
      cache_dir: folder that keeps the decoded photos; "" keeps them in memory.

    Raises:
      UserError: a photo cannot be used, sizes within a row differ, or nothing is left.
      UserError: the disk of the cache is full or does not take the files.
    """
    if cache_dir:
        cached = cached_photos(cache_dir, rows, lambda: _decoded(rows), on_bad)
        return [
            PhotoStore(pixels, cached.names, cached.sizes, checksums)
            for pixels, checksums in zip(cached.columns, cached.checksums)
        ]
    photos = read_rows(rows, on_bad)
    names = list(photos)
    columns = [list(column) for column in zip(*photos.values())]
    del photos
    return [_packed(column, names) for column in columns]
