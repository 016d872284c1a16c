"""The image formats that are read and written: all that is known of each is one entry here.

A file's format is told by its first bytes, never by its name: decoders of other formats,
some of which run programs, are out of reach.
"""

from __future__ import annotations

import dataclasses
import io
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

# Bytes of a file that tell its format.
SIGNATURE_SIZE = 32

_CV_METADATA = {
    "exif": cv2.IMAGE_METADATA_EXIF,
    "xmp": cv2.IMAGE_METADATA_XMP,
    "icc_profile": cv2.IMAGE_METADATA_ICCP,
}
# Scans of a JPEG: each goes over all pixels again, be it of a few bytes. Encoders make about ten.
_MOST_SCANS = 200
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# What begins a segment; in the data of a scan 0 or a restart follows 0xFF.
_JPEG_SEGMENT = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])", re.DOTALL)
_EXIF_PREFIX = b"Exif\0\0"
# Keyword of the text chunk in which PNG files keep XMP.
_PNG_XMP = "XML:com.adobe.xmp"


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """One format.

    Attributes:
      name: Pillow's, which people know too.
      suffixes: of its files, in lower case.
      signature: pattern that the first bytes match.
      open: gives Pillow's image of a file that has read, seek and tell; nothing is decoded. Unlike
        `Image.open` this leaves the limit of pixels to us.
      read: (opened by Pillow, the file) -> stored pixels, see `opening.OpenedImage.pixels`.
      encode: (uint8 or uint16 [H, W, C], metadata, quality) -> bytes of a file. C is 1 to 4:
        grey, grey and alpha, RGB, RGBA. Quality is 1 to 100, where the format has one.
      alpha: whether it keeps transparency.
      metadata: which keywords it keeps.
      is_deep: whether a file that begins with these bytes has 16 bits; None if no file has.
      size: (width, height) that the first bytes declare; None if they stand further behind.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    open: Callable[[Any], Image.Image]
    read: Callable[[Image.Image, BinaryIO], np.ndarray]
    encode: Callable[[np.ndarray, Mapping[str, bytes], int], bytes]
    alpha: bool = False
    metadata: frozenset[str] = frozenset({"exif", "icc_profile", "xmp"})
    is_deep: Callable[[bytes], bool] | None = None
    size: Callable[[bytes], tuple[int, int]] | None = None


class ColourModeError(ValueError):
    """Pixels of a colour model without a way back. The message says which."""


def describe_mode(mode: str) -> str:
    """Returns what a photo of this mode of Pillow's is, for messages."""
    names = {"L": "is grey", "LA": "is grey", "RGBA": "has an alpha channel", "CMYK": "is CMYK"}
    if mode.startswith("I") or mode == "F":
        return "is grey with 16 or more bits"
    return names.get(mode, f"has the colour mode {mode}")


def _read_8_bits(image: Image.Image, file: BinaryIO) -> np.ndarray:
    mode = image.mode
    if mode in ("P", "PA"):
        mode = "RGBA" if mode == "PA" or "transparency" in image.info else "RGB"
    elif mode == "1":
        mode = "L"
    elif mode in ("L", "RGB") and "transparency" in image.info:
        mode += "A"
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise ColourModeError(describe_mode(mode))
    return np.asarray(image if mode == image.mode else image.convert(mode))


def _read_jpeg(image: Image.Image, file: BinaryIO) -> np.ndarray:
    file.seek(0)
    _check_scans(file.read())
    return _read_8_bits(image, file)


def _check_scans(data: bytes) -> None:
    """Raises ValueError if the first picture of a JPEG file has too many scans."""
    if data.count(bytes([0xFF, _START_OF_SCAN])) <= _MOST_SCANS:
        return
    # They may be in metadata, or in what is behind the picture.
    scans = position = 0
    while segment := _JPEG_SEGMENT.search(data, position):
        kind = segment[1][0]
        scans += kind == _START_OF_SCAN
        if scans > _MOST_SCANS:
            raise ValueError(f"more than {_MOST_SCANS} scans")
        if kind == _END_OF_IMAGE:
            return
        position = segment.end()
        position += int.from_bytes(data[position : position + 2], "big")


def _png_size(head: bytes) -> tuple[int, int]:
    return struct.unpack(">II", head[16:24])


def _bmp_size(head: bytes) -> tuple[int, int]:
    # Of OS/2, whose header has 12 bytes, and of Windows: upside down if negative.
    width, height = struct.unpack(*("<HH", head[18:22]) if head[14] == 12 else ("<ii", head[18:26]))
    return abs(width), abs(height)


def _webp_size(head: bytes) -> tuple[int, int]:
    if head[12:16] == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    # 14 bits each, lossless or lossy.
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _is_deep_png(head: bytes) -> bool:
    # The bit depth, inside the header chunk.
    return head[24:25] == b"\x10"


def _read_png(image: Image.Image, file: BinaryIO) -> np.ndarray:
    file.seek(0)
    if not _is_deep_png(file.read(SIGNATURE_SIZE)):
        return _read_8_bits(image, file)
    # Pillow would cut 16 bits to 8, but refuses damaged files; OpenCV fills them up.
    image.load()
    file.seek(0)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(file.read(), np.uint8), flags)
    if decoded is None or decoded.dtype != np.uint16:
        raise ValueError("16 bits cannot be decoded")
    if decoded.ndim == 2:
        return decoded
    order = cv2.COLOR_BGR2RGB if decoded.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(decoded, order)


def _encode_jpeg(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    # Full colour resolution: halved, it would show in lifted shadows.
    full = {"subsampling": 0} if quality >= 90 else {}
    return _saved("JPEG", pixels, {**metadata, **full, "quality": quality})


def _encode_png(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    if pixels.dtype == np.uint16:
        return _encode_deep_png(pixels, metadata)
    options: dict[str, Any] = dict(metadata)
    if "xmp" in options:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_PNG_XMP, options.pop("xmp").decode(errors="replace"))
    return _saved("PNG", pixels, options)


def _encode_deep_png(pixels: np.ndarray, metadata: Mapping[str, bytes]) -> bytes:
    if pixels.shape[2] == 2:
        # OpenCV has no grey with alpha.
        pixels = pixels[:, :, [0, 0, 0, 1]]
    elif pixels.shape[2] >= 3:
        pixels = pixels[:, :, [2, 1, 0, *range(3, pixels.shape[2])]]
    if pixels.shape[2] == 1:
        # A profile of RGB, as a grey photo may carry, is not allowed in a grey PNG.
        metadata = {name: value for name, value in metadata.items() if name != "icc_profile"}
    kinds = [_CV_METADATA[name] for name in metadata]
    values = [
        np.frombuffer(value.removeprefix(_EXIF_PREFIX), np.uint8) for value in metadata.values()
    ]
    _, encoded = cv2.imencodeWithMetadata(".png", np.ascontiguousarray(pixels), kinds, values)
    return encoded.tobytes()


def _encode_webp(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    return _saved("WEBP", pixels, {**metadata, "quality": quality})


def _encode_bmp(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    return _saved("BMP", pixels, {})


def _saved(name: str, pixels: np.ndarray, options: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, name, **options)
    return buffer.getvalue()


def xmp_of(image: Image.Image) -> bytes:
    """Returns the XMP data of a photo, or nothing."""
    return image.info.get("xmp") or image.info.get(_PNG_XMP, "").encode()


FORMATS = (
    ImageFormat(
        "JPEG",
        (".jpg", ".jpeg"),
        re.compile(rb"\xff\xd8\xff"),
        JpegImagePlugin.jpeg_factory,
        _read_jpeg,
        _encode_jpeg,
    ),
    ImageFormat(
        "PNG",
        (".png",),
        re.compile(rb"\x89PNG\r\n\x1a\n"),
        PngImagePlugin.PngImageFile,
        _read_png,
        _encode_png,
        alpha=True,
        is_deep=_is_deep_png,
        size=_png_size,
    ),
    ImageFormat(
        "BMP",
        (".bmp",),
        re.compile(rb"BM"),
        BmpImagePlugin.BmpImageFile,
        _read_8_bits,
        _encode_bmp,
        metadata=frozenset(),
        size=_bmp_size,
    ),
    ImageFormat(
        "WEBP",
        (".webp",),
        re.compile(rb"RIFF....WEBP", re.DOTALL),
        WebPImagePlugin.WebPImageFile,
        _read_8_bits,
        _encode_webp,
        alpha=True,
        size=_webp_size,
    ),
)
_BY_SUFFIX = {suffix: entry for entry in FORMATS for suffix in entry.suffixes}
SUFFIXES = tuple(_BY_SUFFIX)
# For messages: "JPEG, PNG, BMP or WEBP".
NAMES = f"{', '.join(entry.name for entry in FORMATS[:-1])} or {FORMATS[-1].name}"


def format_of_name(suffix: str) -> ImageFormat:
    """Returns the format that files with this ending (".JPG") get."""
    return _BY_SUFFIX[suffix.lower()]


def format_of_content(head: bytes) -> ImageFormat | None:
    """Returns the format of a file that begins with these bytes, or None if it is another."""
    return next((entry for entry in FORMATS if entry.signature.match(head)), None)
