"""The one place that opens image files: what they may be, and how large.

A file is opened only if it is a regular one, decoded only if its first bytes are those of a
format of `formats`, and its size is judged by its header before anything is decoded. The same holds
for the bytes of a file that come from elsewhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import stat
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image

from drgn_tf import memory
from drgn_tf.errors import BadImageError, UserError
from drgn_tf.images import colour, formats
from drgn_tf.images.image_format import ColourModeError, ImageFormat, UnsupportedError
from drgn_tf.images.tiff import TIFF

# Of a photo. A damaged or malicious header could ask for all memory.
MAX_MEGAPIXELS = 256
# A file has no more bytes a pixel of 8 bits, where nothing compresses, beside its metadata and the
# videos that some phones put behind a photo.
_FILE_BYTES_PER_PIXEL = 4
_FILE_BYTES_BESIDE = 2**26
# Reads of one file: the parts of a PNG of 2 GB take so many. Pillow looks for parts byte by byte
# where there are none, and takes 5 s for as many empty ones.
_MOST_READS = 10**6
# Formats of Pillow's in which phones put other pictures beside a photo; MPO is a JPEG with these.
_OF_SEVERAL = ("MPO", "HEIF")
# Photos whose metadata are damaged are used all the same; Pillow warns of them in many words.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# Bytes a pixel of 8 bits that reading a photo and writing its result take: mobile used 14 on
# 100 megapixels and 16 on 48.
_BYTES_PER_PIXEL = 16
# Beside, where the profile is not sRGB's: what the network gets and gives has 16 bits then.
_BYTES_OF_CONVERSION = 12
# Memory that any file may take, and that each of its bytes may ask for beyond: a photo of one
# colour needs 4,100 bytes and more for each byte of its PNG, and up to 2,700 of its JPEG.
_MEMORY_OF_ANY_FILE = 2**30
_MEMORY_OF_A_BYTE = 4000


@dataclasses.dataclass(frozen=True)
class OpenedImage:
    """A photo file that is open; nothing is decoded yet.

    Attributes:
      image: as Pillow sees it: mode, size, metadata.
      file: its bytes.
      format: what it is.
      orientation: of the pixels, by the EXIF data, 1 to 8; 1 is upright.
      needed_bytes: of memory that reading it, and writing a result of its size, takes.
      deep: whether its pixels are uint16.
    """

    image: Image.Image
    file: BinaryIO
    format: ImageFormat
    orientation: int
    needed_bytes: int
    deep: bool

    def pixels(self) -> np.ndarray:
        """Decodes the photo as it is stored.

        Returns:
          uint8 or uint16: [H, W] grey, [H, W, 2] grey and alpha, [H, W, 3] RGB, [H, W, 4] RGBA.
          Formats that are `upright` are turned as their orientation says.
        """
        return self.format.read(self.image, self.file, self.deep)


@contextlib.contextmanager
def regular_file(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Opens a file for reading, which must be a regular one or a link to one.

    Devices and pipes, which may never end or never answer, are not read.

    Raises:
      BadImageError: it cannot be read, is empty, or is something else.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb", opener=_open_without_waiting))
        except OSError as error:
            raise BadImageError(
                f"{path}: cannot be read ({error.strerror}); check its name and permissions."
            ) from error
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BadImageError(f"{path}: is a device or a pipe; only files are read, remove it.")
        _check_not_empty(path, status.st_size)
        yield file


def _check_not_empty(name: str | pathlib.Path, file_size: int) -> None:
    if not file_size:
        raise BadImageError(f"{name}: the file is empty; replace or remove it.")


class _BoundedFile:
    """A file for Pillow that fails after so many reads, or bytes.

    Attributes:
      bytes_left: that may still be read.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._reads_left = _MOST_READS
        self.bytes_left: float = _FILE_BYTES_BESIDE
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._reads_left -= 1
        self.bytes_left -= len(content)
        if self._reads_left < 0 or self.bytes_left < 0:
            raise ValueError("more parts than a photo has")
        return content


def _open_without_waiting(path: str, flags: int) -> int:
    # A pipe would wait for somebody at its other end.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_size(
    name: str | pathlib.Path,
    width: int,
    height: int,
    max_megapixels: float,
    bytes_per_pixel: int,
    file_size: int,
) -> None:
    """Refuses what is too large before it is decoded.

    A file of less than a megabyte never asks for more than 4 GB.

    Args:
      name: of the file, for errors.
      width: in pixels, by the header.
      height: in pixels, by the header.
      max_megapixels: limit.
      bytes_per_pixel: memory that is needed.
      file_size: in bytes. Few bytes that declare many pixels were made to do harm.

    Raises:
      BadImageError: it is.
    """
    if width * height > max_megapixels * 10**6:
        raise BadImageError(
            f"{name}: is {width}x{height} pixels by its header, more than the limit of "
            f"{max_megapixels:g} megapixels; scale it down."
        )
    needed = width * height * bytes_per_pixel
    _check_memory(name, f"{width}x{height} pixels", needed)
    if needed > max(_MEMORY_OF_ANY_FILE, file_size * _MEMORY_OF_A_BYTE):
        raise BadImageError(
            f"{name}: has {file_size} bytes, too few for {width}x{height} pixels; replace or remove"
            " it."
        )


def _check_memory(name: str | pathlib.Path, size: str, needed: int) -> None:
    # What is small needs no look at the machine.
    free = memory.available() if needed > 2**28 else None
    if free is not None and needed > free:
        raise BadImageError(
            f"{name}: is {size} and needs about {needed / 1e9:.1f} GB of memory, of which "
            f"{free / 1e9:.1f} GB are free; scale it down."
        )


@contextlib.contextmanager
def opened(path: pathlib.Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[OpenedImage]:
    """Opens a photo file. What goes wrong inside, in decoding too, becomes one line.

    Args:
      path: of the file.
      max_megapixels: larger photos are refused before they are decoded.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too large, of another format, or of
        a colour model without a way back; or a package is missing that reads it.
    """
    with regular_file(path) as file, opened_file(file, path, max_megapixels) as photo:
        yield photo


@contextlib.contextmanager
def opened_file(
    file: BinaryIO, name: str | pathlib.Path, max_megapixels: float = MAX_MEGAPIXELS
) -> Iterator[OpenedImage]:
    """Opens a photo from a binary file: `io.BytesIO`, an upload, one on the disk.

    Args:
      file: that can be read and sought in; the caller closes it. It begins at its first byte.
      name: of the photo, for errors.
      max_megapixels: larger photos are refused before they are decoded.

    Raises:
      BadImageError: see `opened`.
    """
    file_size = file.seek(0, os.SEEK_END)
    _check_not_empty(name, file_size)
    image_format = formats.format_of_content(file)
    if image_format is None:
        raise BadImageError(
            f"{name}: is no {formats.NAMES} image by its content; convert or remove it."
        )

    def check(width: int, height: int, deep: bool, bytes_per_pixel: int) -> None:
        check_size(name, width, height, max_megapixels, bytes_per_pixel, file_size)
        most = _FILE_BYTES_BESIDE + width * height * _FILE_BYTES_PER_PIXEL * (1 + deep)
        if file_size > most:
            raise BadImageError(
                f"{name}: has {file_size / 1e6:.0f} MB, more than a photo of {width}x{height} "
                "pixels needs; save it anew or remove it."
            )

    try:
        bounded = _BoundedFile(file)
        if image_format.size is not None:
            file.seek(0)
            size = image_format.size(file.read(formats.SIGNATURE_SIZE))
            check(*size, False, _BYTES_PER_PIXEL)
        elif image_format.reads_whole and file_size > _FILE_BYTES_BESIDE:
            _check_memory(name, f"a file of {file_size / 1e6:.0f} MB", 2 * file_size)
            if file_size > 2 * _FILE_BYTES_PER_PIXEL * max_megapixels * 10**6:
                raise BadImageError(
                    f"{name}: has {file_size / 1e6:.0f} MB, more than a photo of "
                    f"{max_megapixels:g} megapixels needs; save it anew or remove it."
                )
        if image_format.reads_whole:
            bounded.bytes_left = file_size + _FILE_BYTES_BESIDE
        bounded.seek(0)
        with image_format.open(bounded) as image:
            deep = image_format.is_deep(image)
            bytes_per_pixel = _BYTES_PER_PIXEL * (1 + deep)
            if colour.space_of(image.info.get("icc_profile")) is not None:
                bytes_per_pixel += _BYTES_OF_CONVERSION
            check(*image.size, deep, bytes_per_pixel)
            # Results mostly have the format of their photos.
            needed = image.width * image.height * (bytes_per_pixel + image_format.encoding_bytes)
            _check_memory(name, f"{image.width}x{image.height} pixels", needed)
            bounded.bytes_left = math.inf
            if getattr(image, "is_animated", False) and image.format not in _OF_SEVERAL:
                several = "has several pages; save one of them"
                if image_format is not TIFF:
                    several = "is animated; save one frame of it"
                raise BadImageError(f"{name}: {several} as a PNG.")
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            if orientation not in range(1, 9) or image_format.upright:
                orientation = 1
            yield OpenedImage(image, file, image_format, orientation, needed, deep)
    except BadImageError:
        raise
    except MemoryError as error:
        raise BadImageError(
            f"{name}: is too large for the memory of this machine; scale it down."
        ) from error
    except Image.DecompressionBombError as error:
        # WebP's decoder asks Pillow's limit, which is the whole process's.
        raise BadImageError(
            f"{name}: is larger than Pillow's limit for {image_format.name}, "
            f"{2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels; scale it down."
        ) from error
    except ColourModeError as error:
        raise BadImageError(f"{name}: {error}; convert it to RGB.") from error
    except UnsupportedError as error:
        raise BadImageError(f"{name}: {error}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            # The system's trouble, not the photo's.
            raise UserError(f"{name}: cannot be read ({error.strerror}).") from error
        raise BadImageError(
            f"{name}: is damaged or no image ({_first_line(error)}); replace or remove it."
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    # Pillow quotes the name, which the message has already.
    return text[0].split(" '")[0].split(" <")[0] if text else type(error).__name__
