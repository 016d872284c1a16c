"""A disk cache of decoded photos, shared by all runs.

Photos that are read together (such as the pairs of a folder) form one entry of the cache folder:

  KEY.0.pixels, KEY.1.pixels   raw pixels, photo after photo: the low photos, the high photos
  KEY.json                     names, sizes and checksums, and the unusable photos

The key is a hash of the path, size and modification time of every file, so entries are never
updated: other photos get another entry. Unused entries are not removed; delete the folder, or any
file in it, while no training uses it.

An entry is verified completely before use, pixels included, and rebuilt if it is damaged. One
process builds it while others, also on other machines, wait for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from drgn_tf import files
from drgn_tf.errors import BadImageError, UserError

if TYPE_CHECKING:
    import tensorflow as tf

# On Windows two processes may make the same entry one after the other.
if sys.platform != "win32":
    import fcntl

# Incremented when the file layout or the decoding changes.
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class MappedPixels:
    """Raw pixels in a file; only the pixels being read are in memory.

    Attributes:
      path: of the file.
      dtype: uint8 or uint16.
      count: number of values.
    """

    path: str
    dtype: np.dtype
    count: int

    def read(self, start: int, count: int) -> np.ndarray:
        """Returns `count` values from `start` on."""
        return np.fromfile(self.path, self.dtype, count, offset=start * self.dtype.itemsize)

    def tensor(self) -> tf.Tensor:
        """Returns all values, for use inside a graph, which then holds only the path."""
        # Imported here, because photos are also read without TensorFlow.
        import tensorflow as tf

        # tf.raw_ops.ImmutableConst, with an attribute more.
        graph = tf.compat.v1.GraphDef()
        attributes = graph.node.add(name="pixels", op="ImmutableConst").attr
        attributes["dtype"].type = tf.as_dtype(self.dtype).as_datatype_enum
        attributes["shape"].shape.CopyFrom(tf.TensorShape([self.count]).as_proto())
        attributes["memory_region_name"].s = os.fsencode(self.path)
        # Constant folding would copy the whole file into memory. It skips nodes with this
        # attribute, which has no other effect when empty.
        attributes["_scoped_allocator"].list.SetInParent()
        (pixels,) = tf.graph_util.import_graph_def(graph, return_elements=["pixels:0"])
        return pixels


@dataclasses.dataclass(frozen=True)
class CachedPhotos:
    """An entry of the cache.

    Attributes:
      names: stems of the photos, in order.
      sizes: (height, width) of each in pixels.
      columns: the pixels, one column for each photo of a row.
      checksums: by column and photo.
    """

    names: list[str]
    sizes: list[tuple[int, int]]
    columns: list[MappedPixels]
    checksums: list[list[int]]


def widened(photo: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Converts uint8 or uint16 pixels to this type of at least as many bits, without loss."""
    # 257 = 65535 / 255.
    return photo if photo.dtype == dtype else photo.astype(dtype) * dtype.type(257)


def cached_photos(
    folder: str | pathlib.Path,
    rows: Sequence[tuple[pathlib.Path, ...]],
    decode: Callable[[], Generator[list[np.ndarray] | BadImageError, None, None]],
    on_bad: Callable[[UserError], None] | None,
) -> CachedPhotos:
    """Returns the entry of these photos, and builds it if it is missing.

    Args:
      folder: of the cache; created if it does not exist.
      rows: paths of the photos.
      decode: yields the photos of each row, uint8 or uint16 [H, W, 3] of one size, or the error
        of the row. Called only if the entry must be built.
      on_bad: called with the error of each row left out. By default the first error is raised.

    Raises:
      UserError: a photo cannot be used or found, or none is left.
      UserError: the disk is full or does not take the files.
    """
    # Absolute, because reading processes may have another working directory.
    folder = pathlib.Path(os.path.abspath(folder))
    key = _key(rows)
    columns = len(rows[0])
    files.remove_partial(folder)
    entry = _opened(folder, key, columns)
    if entry is None:
        with _writing(folder), _locked(folder):
            # Another process may have built it by now.
            entry = _opened(folder, key, columns)
            if entry is None:
                # Ended here, on errors too: elsewhere it would wait for its own threads.
                with contextlib.closing(decode()) as decoded:
                    _make(folder, key, rows, decoded, on_bad)
                entry = _opened(folder, key, columns)
                if entry is None:
                    raise UserError(
                        f"{folder}: what was written reads back otherwise; check the disk, or "
                        "choose another --cache_dir."
                    )
                # on_bad has already been called.
                return entry[0]
    photos, left_out = entry
    for line in left_out:
        if on_bad is None:
            raise BadImageError(line)
        on_bad(BadImageError(line))
    return photos


def _key(rows: Sequence[tuple[pathlib.Path, ...]]) -> str:
    listed = []
    for path in (path for row in rows for path in row):
        try:
            status = path.stat()
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); check its name and permissions."
            ) from error
        listed.append((os.path.abspath(path), status.st_size, status.st_mtime_ns))
    content = json.dumps([_FORMAT, len(rows[0]), listed])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


@contextlib.contextmanager
def _writing(folder: pathlib.Path) -> Iterator[None]:
    try:
        files.make_folder(folder)
        yield
    except OSError as error:
        raise UserError(
            f"{folder}: decoded photos cannot be written ({error.strerror or error}); make room, "
            "check the permissions, or choose another --cache_dir."
        ) from error


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    with open(folder / ".lock", "a", opener=files.open_lock) as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(folder: pathlib.Path, key: str, columns: int) -> tuple[CachedPhotos, list[str]] | None:
    """Returns an entry and the errors of rows left out; None if it is missing or damaged."""
    try:
        listed = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        sizes = [(int(height), int(width)) for height, width in listed["sizes"]]
        count = sum(height * width * 3 for height, width in sizes)
        photos = CachedPhotos(
            listed["names"],
            sizes,
            [
                MappedPixels(str(_pixel_file(folder, key, column)), np.dtype(dtype), count)
                for column, dtype in zip(range(columns), listed["dtypes"], strict=True)
            ],
            listed["checksums"],
        )
        whole = all(map(_is_whole, photos.columns, [sizes] * columns, photos.checksums))
        return (photos, listed["left_out"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _pixel_file(folder: pathlib.Path, key: str, column: int) -> pathlib.Path:
    return folder / f"{key}.{column}.pixels"


def _is_whole(column: MappedPixels, sizes: list[tuple[int, int]], checksums: list[int]) -> bool:
    if os.path.getsize(column.path) != column.count * column.dtype.itemsize:
        return False
    counts = [height * width * 3 for height, width in sizes]
    starts = np.cumsum([0, *counts[:-1]], dtype=np.int64)

    def checksum(start: int, count: int) -> int:
        return zlib.crc32(column.read(start, count).data)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(checksum, starts.tolist(), counts)) == checksums


def _make(
    folder: pathlib.Path,
    key: str,
    rows: Sequence[tuple[pathlib.Path, ...]],
    decoded: Iterator[list[np.ndarray] | BadImageError],
    on_bad: Callable[[UserError], None] | None,
) -> None:
    if sys.platform != "win32":
        # Under the lock.
        files.remove_partial(folder, alone=True)
    with files.partial_folder(folder) as beside:
        _write(beside, key, rows, decoded, on_bad)
        # The list is written last: without it the entry does not exist.
        for path in sorted(beside.iterdir(), key=lambda path: path.suffix == ".json"):
            files.move(path, folder / path.name)


def _write(
    beside: pathlib.Path,
    key: str,
    rows: Sequence[tuple[pathlib.Path, ...]],
    decoded: Iterator[list[np.ndarray] | BadImageError],
    on_bad: Callable[[UserError], None] | None,
) -> None:
    columns = len(rows[0])
    names, left_out, sizes = [], [], []
    dtypes: list[list[np.dtype]] = [[] for _ in range(columns)]
    checksums: list[list[int]] = [[] for _ in range(columns)]
    paths = [_pixel_file(beside, key, column) for column in range(columns)]
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(path.open("wb")) for path in paths]
        for row, photos in zip(rows, decoded, strict=True):
            if isinstance(photos, BadImageError):
                if on_bad is None:
                    raise photos
                on_bad(photos)
                left_out.append(str(photos))
                continue
            names.append(row[0].stem)
            sizes.append(photos[0].shape[:2])
            for column, photo in enumerate(photos):
                pixels = np.ascontiguousarray(photo)
                outputs[column].write(pixels.data)
                dtypes[column].append(photo.dtype)
                checksums[column].append(zlib.crc32(pixels.data))
    if not names:
        raise UserError(f"{rows[0][0].parent}: none of the {len(rows)} photos can be used.")
    for column, path in enumerate(paths):
        if len(set(dtypes[column])) > 1:
            checksums[column] = _widen(path, sizes, dtypes[column])
    listed = {
        "names": names,
        "sizes": sizes,
        "dtypes": [str(max(column, key=lambda dtype: dtype.itemsize)) for column in dtypes],
        "checksums": checksums,
        "left_out": left_out,
    }
    (beside / f"{key}.json").write_text(json.dumps(listed), encoding="utf-8")


def _widen(
    path: pathlib.Path, sizes: Sequence[tuple[int, int]], dtypes: list[np.dtype]
) -> list[int]:
    """Rewrites a file of 8-bit and 16-bit photos in 16 bits; returns their checksums."""
    checksums = []
    wide = path.with_suffix(".wide")
    with path.open("rb") as source, wide.open("wb") as target:
        for (height, width), dtype in zip(sizes, dtypes):
            pixels = np.fromfile(source, dtype, height * width * 3)
            pixels = widened(pixels, np.dtype(np.uint16))
            target.write(pixels.data)
            checksums.append(zlib.crc32(pixels.data))
    os.replace(wide, path)
    return checksums
