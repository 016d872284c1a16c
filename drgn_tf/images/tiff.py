"""TIFF files of 8 and 16 bits, and what RAW files share with them."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from drgn_tf.images import colour
from drgn_tf.images.image_format import (
    ColourModeError,
    ImageFormat,
    read_8_bits,
    read_16_bits,
)

# Little- and big-endian, of 32 and of 64 bits (BigTIFF).
SIGNATURE = re.compile(rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]")
_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _PREDICTOR = 258, 259, 262, 284, 317
_TILE_WIDTH, _TILE_LENGTH, _EXTRA_SAMPLES = 322, 323, 338
_XMP, _ICC = 700, 34675
_DEFLATE, _DIFFERENCES, _UNASSOCIATED = 8, 2, 2
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
# Types of values.
_BYTE, _UNDEFINED = 1, 7
# Pixels of a tile beyond those of the photo: only whole tiles are stored.
_LARGEST_TILE = 2**22
# Bytes of a strip before it is compressed, about.
_STRIP = 2**19
# What describes a photo. Of the other tags some say how the pixels of this one file are stored, and
# the private ones of cameras point into it.
_DESCRIPTIVE = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Orientation,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
    ExifTags.Base.Rating,
)
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def is_raw(file: BinaryIO) -> bool:
    """Returns whether a TIFF file holds what a sensor saw.

    It is so in DNG, in Canon's CR2, and where the first picture is only a preview of one that
    lies deeper, as in Nikon's NEF and Sony's ARW.
    """
    file.seek(0)
    head = file.read(10)
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 10 or struct.unpack(f"{order}H", head[2:4])[0] != 42:
        return False
    if head[8:] == b"CR":
        return True
    file.seek(struct.unpack(f"{order}I", head[4:8])[0])
    count = struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0]
    tags = {
        tag: value
        for tag, _, _, value in struct.iter_unpack(f"{order}HHII", _whole(file.read(12 * count)))
    }
    return _DNG_VERSION in tags or (_SUB_IFDS in tags and tags.get(_NEW_SUBFILE_TYPE) == 1)


def _whole(entries: bytes) -> bytes:
    return entries[: len(entries) // 12 * 12]


def descriptive_exif(exif: Image.Exif) -> Image.Exif:
    """Returns the EXIF data of a TIFF or RAW file that are not about the file."""
    kept = Image.Exif()
    kept.update({tag: exif[tag] for tag in _DESCRIPTIVE if tag in exif})
    for directory in _DIRECTORIES:
        if directory not in exif:
            continue
        content = dict(exif.get_ifd(directory))
        if ExifTags.IFD.Interop in content:
            content[ExifTags.IFD.Interop] = exif.get_ifd(ExifTags.IFD.Interop)
        kept[directory] = content
    return kept


class _TiffImage(TiffImagePlugin.TiffImageFile):
    """As Pillow's, which has a limit of pixels of its own that is the whole process's."""

    def load_prepare(self) -> None:
        """Makes room for the pixels."""
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()


def _open(file: Any) -> Image.Image:
    try:
        image = _TiffImage(file)
    except SyntaxError as error:
        if str(error) != "unknown pixel mode":
            raise
        message = "has neither 8 nor 16 bits, or a rare kind of pixels"
        raise ColourModeError(message) from error
    tile = [image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
    if tile[0] * tile[1] > _LARGEST_TILE + 4 * image.width * image.height:
        raise ValueError("tiles larger than the photo")
    return image


def _is_deep(image: Image.Image) -> bool:
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    bits = image.tag_v2.get(_BITS, (1,))
    return set(bits) == {16} and (image.mode.startswith("I;16") or image.mode in ("RGB", "RGBA"))


def _read(image: Image.Image, file: BinaryIO, deep: bool) -> np.ndarray:
    if not deep:
        return read_8_bits(image)
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    # What OpenCV takes for something else.
    if image.tag_v2.get(_PLANAR, 1) != 1 and image.mode in ("RGB", "RGBA"):
        raise ColourModeError("has 16 bits with each colour in a plane of its own")
    if image.tag_v2.get(_EXTRA_SAMPLES, (_UNASSOCIATED,)) != (_UNASSOCIATED,):
        raise ColourModeError("has 16 bits and a fourth channel that is no plain alpha")
    # Pillow refuses damaged files, which OpenCV fills up.
    image.load()
    pixels = read_16_bits(file)
    # Nor does OpenCV know that 0 may be white.
    return ~pixels if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else pixels


def _encode(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    if pixels.dtype == np.uint16 and pixels.shape[2] == 2:
        # Few programs read grey with alpha of 16 bits, nor does Pillow.
        pixels = pixels[:, :, [0, 0, 0, 1]]
    height, width, channels = pixels.shape
    rows = max(1, _STRIP // (width * channels * pixels.itemsize))
    strips = [_packed(pixels[top : top + rows]) for top in range(0, height, rows)]
    directory = ImageFileDirectory_v2()
    if exif := metadata.get("exif"):
        described = Image.Exif()
        described.load(exif)
        for tag, value in descriptive_exif(described).items():
            directory[tag] = value
    directory[TiffImagePlugin.IMAGEWIDTH] = width
    directory[TiffImagePlugin.IMAGELENGTH] = height
    directory[_BITS] = (8 * pixels.itemsize,) * channels
    directory[_COMPRESSION] = _DEFLATE
    directory[_PHOTOMETRIC] = _BLACK_IS_ZERO if channels <= 2 else _RGB
    directory[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    directory[TiffImagePlugin.ROWSPERSTRIP] = rows
    directory[_PREDICTOR] = _DIFFERENCES
    if channels in (2, 4):
        directory[_EXTRA_SAMPLES] = (_UNASSOCIATED,)
    profile = metadata.get("icc_profile", b"")
    # One of RGB, as a grey photo may carry, is not allowed in a grey file.
    if profile and (channels > 2 or colour.model_of(profile) == "GRAY"):
        directory.tagtype[_ICC] = _UNDEFINED
        directory[_ICC] = profile
    if "xmp" in metadata:
        directory.tagtype[_XMP] = _BYTE
        directory[_XMP] = metadata["xmp"]
    sizes = [len(strip) for strip in strips]
    directory[TiffImagePlugin.STRIPBYTECOUNTS] = tuple(sizes)
    # Pillow adds where the directory ends.
    directory[TiffImagePlugin.STRIPOFFSETS] = tuple(int(end) for end in np.cumsum([0, *sizes[:-1]]))
    buffer = io.BytesIO()
    directory.save(buffer)
    return b"".join([buffer.getvalue(), *strips])


def _packed(rows: np.ndarray) -> bytes:
    """Returns the differences of neighbours, compressed: photos become a third smaller so."""
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.astype(differences.dtype.newbyteorder("<")).tobytes())


TIFF = ImageFormat(
    "TIFF",
    (".tif", ".tiff"),
    SIGNATURE,
    _open,
    _read,
    _encode,
    is_this=lambda file: not is_raw(file),
    alpha=True,
    deep=True,
    is_deep=_is_deep,
    upright=True,
    exif=lambda image: descriptive_exif(image.getexif()),
)
