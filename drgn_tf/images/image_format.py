"""What is known of an image format, and what reading and writing share."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image

from drgn_tf.images import colour

# Bytes of XMP in one segment of JPEG; searching much more could take long, if made to do so.
_LONGEST_XMP = 2**16


class ColourModeError(ValueError):
    """Pixels of a colour model without a way back. The message says which."""


class UnsupportedError(Exception):
    """Why a photo cannot be read or written, and what to do. The message says both."""


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """One format.

    Attributes:
      name: Pillow's where it has one, which people know too.
      suffixes: of its files, in lower case.
      signature: pattern that the first bytes match.
      open: gives Pillow's image of a file that has read, seek and tell; nothing is decoded. Unlike
        `Image.open` this leaves the limit of pixels to us.
      read: (opened by Pillow, the file, whether it is deep) -> pixels, see
        `opening.OpenedImage.pixels`.
      encode: (uint8 or uint16 [H, W, C], metadata, quality) -> bytes of a file. C is 1 to 4:
        grey, grey and alpha, RGB, RGBA. Quality is 1 to 100, where the format has one. None if
        the format is only read.
      written_as: suffix of the results of its photos, if it is only read.
      is_this: further tells files of formats with the same signature apart.
      alpha: whether it keeps transparency.
      metadata: which keywords it keeps.
      deep: whether 16 bits are written.
      is_deep: whether the pixels of an opened photo are read as uint16.
      reads_whole: whether opening a file reads all of it.
      size: (width, height) that the first bytes of such a file declare; None if they stand further
        behind.
      upright: whether its pixels are turned as the file says when they are read.
      exif: the EXIF data of a photo.
      encoding_bytes: a pixel of memory that writing takes beside what `opening` counts for all
        formats.
      has_gain_map: whether a photo has a second picture that brightens it on HDR screens.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    open: Callable[[Any], Image.Image]
    read: Callable[[Image.Image, BinaryIO, bool], np.ndarray]
    encode: Callable[[np.ndarray, Mapping[str, bytes], int], bytes] | None
    written_as: str = ""
    is_this: Callable[[BinaryIO], bool] = lambda file: True
    alpha: bool = False
    metadata: frozenset[str] = frozenset({"exif", "icc_profile", "xmp"})
    deep: bool = False
    is_deep: Callable[[Image.Image], bool] = lambda image: False
    reads_whole: bool = False
    size: Callable[[bytes], tuple[int, int]] | None = None
    upright: bool = False
    encoding_bytes: int = 0
    exif: Callable[[Image.Image], Image.Exif] = lambda image: image.getexif()
    has_gain_map: Callable[[Image.Image, BinaryIO], bool] = lambda image, file: False


def describe_mode(mode: str) -> str:
    """Returns what a photo of this mode of Pillow's is, for messages."""
    names = {"L": "is grey", "LA": "is grey", "RGBA": "has an alpha channel", "CMYK": "is CMYK"}
    if mode.startswith("I;16"):
        return "is grey with 16 bits"
    if mode in ("I", "F"):
        return "is grey with 32 bits, or with negative values"
    return names.get(mode, f"has the colour mode {mode}")


def read_8_bits(image: Image.Image) -> np.ndarray:
    """Decodes with Pillow: uint8 [H, W] or [H, W, C]; CMYK becomes sRGB."""
    mode = image.mode
    if mode in ("P", "PA"):
        mode = "RGBA" if mode == "PA" or "transparency" in image.info else "RGB"
    elif mode == "1":
        mode = "L"
    elif mode in ("L", "RGB") and "transparency" in image.info:
        mode += "A"
    elif mode in ("La", "RGBa"):
        mode = mode.upper()
    elif mode == "CMYK":
        return np.asarray(_cmyk_to_srgb(image))
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise ColourModeError(describe_mode(mode))
    return np.asarray(image if mode == image.mode else image.convert(mode))


def _cmyk_to_srgb(image: Image.Image) -> Image.Image:
    # For few photos, so few pay for it.
    from PIL import ImageCms

    # A damaged file is to fail here, not as a damaged profile.
    image.load()
    profile = image.info.get("icc_profile") or b""
    if colour.model_of(profile) == "CMYK":
        try:
            converted = ImageCms.profileToProfile(
                image,
                io.BytesIO(profile),
                ImageCms.createProfile("sRGB"),
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                "RGB",
                # Or shadows that the inks cannot print darker would all be the same black.
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            assert converted is not None
            return converted
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB")


def read_16_bits(file: BinaryIO) -> np.ndarray:
    """Decodes with OpenCV, as Pillow cuts colours to 8 bits: uint16 [H, W] or [H, W, C]."""
    file.seek(0)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(file.read(), np.uint8), flags)
    if decoded is None or decoded.dtype != np.uint16:
        raise ValueError("16 bits cannot be decoded")
    if decoded.ndim == 2:
        return decoded
    order = cv2.COLOR_BGR2RGB if decoded.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(decoded, order)


def saved(name: str, pixels: np.ndarray, options: Mapping[str, Any]) -> bytes:
    """Encodes uint8 [H, W, C] with Pillow."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, name, **options)
    return buffer.getvalue()


def with_xmp_upright(xmp: bytes) -> bytes:
    """Returns XMP data without an orientation, of pixels that are turned already."""
    orientation = rb"""\stiff:Orientation=(["'])\d*\1|<tiff:Orientation>\d*</tiff:Orientation>"""
    return re.sub(orientation, b"", xmp)


def without_xmp_attachments(xmp: bytes) -> bytes:
    """Returns XMP data that name nothing that follows the photo in its file, and is not kept.

    Viewers would look for gain maps and videos where none are.
    """
    if len(xmp) > _LONGEST_XMP:
        return xmp
    directory = rb"<(Container:Directory)\b.*?</\1>"
    properties = rb"""\s(?:hdrgm|GCamera):\w+=(["']).*?\2"""
    return re.sub(directory + b"|" + properties, b"", xmp, flags=re.DOTALL)
