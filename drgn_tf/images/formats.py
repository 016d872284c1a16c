"""The image formats that are read and written: all that is known of each is one entry here.

A file's format is told by its content, never by its name: decoders of other formats, some of
which run programs, are out of reach. docs/formats.md shows them as a table.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from drgn_tf.images.heif import AVIF, HEIC
from drgn_tf.images.image_format import ImageFormat, read_8_bits, read_16_bits, saved
from drgn_tf.images.raw import RAW
from drgn_tf.images.tiff import TIFF

# Bytes of a file that tell its format, but for those that share them.
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
# What Android, Apple and ISO 21496-1 call the picture behind a photo that brightens it.
_GAIN_MAP = re.compile(rb"hdr-gain-map|hdrgainmap|iso:ts:21496", re.IGNORECASE)
_EXIF_PREFIX = b"Exif\0\0"
# Keyword of the text chunk in which PNG files keep XMP.
_PNG_XMP = "XML:com.adobe.xmp"


def _read_jpeg(image: Image.Image, file: BinaryIO, deep: bool) -> np.ndarray:
    file.seek(0)
    _check_scans(file.read())
    if image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes the inks as inverted, which they are where Adobe's marker is.
        image = ImageChops.invert(image)
    return read_8_bits(image)


def _has_gain_map(image: Image.Image, file: BinaryIO) -> bool:
    # Where other pictures lie behind the photo.
    if "mp" not in image.info:
        return False
    file.seek(0)
    return _GAIN_MAP.search(file.read()) is not None


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


def _is_deep_png(image: Image.Image) -> bool:
    assert isinstance(image, PngImagePlugin.PngImageFile)
    # Of colours Pillow's mode says nothing, the mode of the stored bytes does.
    return ";16" in image.mode or any(";16" in str(tile.args) for tile in image.tile)


def _read_png(image: Image.Image, file: BinaryIO, deep: bool) -> np.ndarray:
    if not deep:
        return read_8_bits(image)
    # Pillow refuses damaged files, which OpenCV fills up.
    image.load()
    return read_16_bits(file)


def _encode_jpeg(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    # Full colour resolution: halved, it would show in lifted shadows.
    full = {"subsampling": 0} if quality >= 90 else {}
    return saved("JPEG", pixels, {**metadata, **full, "quality": quality})


def _encode_png(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    if pixels.dtype == np.uint16:
        return _encode_deep_png(pixels, metadata)
    options: dict[str, Any] = dict(metadata)
    if "xmp" in options:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_PNG_XMP, options.pop("xmp").decode(errors="replace"))
    return saved("PNG", pixels, options)


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
    return saved("WEBP", pixels, {**metadata, "quality": quality})


def _encode_bmp(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    return saved("BMP", pixels, {})


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
        has_gain_map=_has_gain_map,
    ),
    ImageFormat(
        "PNG",
        (".png",),
        re.compile(rb"\x89PNG\r\n\x1a\n"),
        PngImagePlugin.PngImageFile,
        _read_png,
        _encode_png,
        alpha=True,
        deep=True,
        is_deep=_is_deep_png,
    ),
    ImageFormat(
        "BMP",
        (".bmp",),
        re.compile(rb"BM"),
        BmpImagePlugin.BmpImageFile,
        lambda image, file, deep: read_8_bits(image),
        _encode_bmp,
        metadata=frozenset(),
    ),
    ImageFormat(
        "WEBP",
        (".webp",),
        re.compile(rb"RIFF....WEBP", re.DOTALL),
        WebPImagePlugin.WebPImageFile,
        lambda image, file, deep: read_8_bits(image),
        _encode_webp,
        alpha=True,
        size=_webp_size,
        reads_whole=True,
    ),
    TIFF,
    AVIF,
    HEIC,
    RAW,
)
_BY_SUFFIX = {suffix: entry for entry in FORMATS for suffix in entry.suffixes}
SUFFIXES = tuple(_BY_SUFFIX)
# For messages: "JPEG, PNG, BMP, ... or RAW".
NAMES = f"{', '.join(entry.name for entry in FORMATS[:-1])} or {FORMATS[-1].name}"


def format_of_name(suffix: str) -> ImageFormat:
    """Returns the format that files with this ending (".JPG") get."""
    return _BY_SUFFIX[suffix.lower()]


def format_of_content(file: BinaryIO) -> ImageFormat | None:
    """Returns the format of a file by its content, or None if it is another."""
    file.seek(0)
    head = file.read(SIGNATURE_SIZE)
    found = (entry for entry in FORMATS if entry.signature.match(head) and entry.is_this(file))
    return next(found, None)
