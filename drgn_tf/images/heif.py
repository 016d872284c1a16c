"""HEIC, which iPhones write, and AVIF: two codecs in files of one structure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import AvifImagePlugin, Image

from drgn_tf.images import colour
from drgn_tf.images.image_format import (
    ColourModeError,
    ImageFormat,
    UnsupportedError,
    read_8_bits,
    saved,
)

# Of ITU-T H.273, by which files without an ICC profile name their colours.
_P3, _BT2020, _PQ, _HLG = 12, 9, 16, 18
# The box that does so; primaries and transfer follow.
_NCLX = re.compile(rb"colrnclx(..)(..)", re.DOTALL)
# Of AVIF that libavif reads.
_LARGEST_SIDE, _MOST_PIXELS = 2**15, 2**28
# Bytes at the beginning in which a file describes its pictures, or most of them.
_LONGEST_META = 2**16


def _add_profile(image: Image.Image, primaries: int, transfer: int) -> None:
    """Gives a photo without a profile that of the colours which its file names."""
    if "icc_profile" in image.info:
        return
    if transfer in (_PQ, _HLG) or primaries == _BT2020:
        raise UnsupportedError("is an HDR picture (BT.2020, PQ or HLG); export it in SDR.")
    if primaries == _P3:
        image.info["icc_profile"] = colour.matrix_profile("Display P3", colour.DISPLAY_P3)


def _open_heic(file: Any) -> Image.Image:
    try:
        import pi_heif
    except ImportError as error:
        raise UnsupportedError("HEIC needs pi-heif: pip install 'drgn-tf[heic]'") from error
    image = pi_heif.HeifImageFile(file)
    named = image.info.get("nclx_profile") or {}
    _add_profile(image, named.get("color_primaries", 0), named.get("transfer_characteristics", 0))
    return image


def _read_heic(image: Image.Image, file: BinaryIO, deep: bool) -> np.ndarray:
    if not deep:
        return read_8_bits(image)
    import pi_heif

    if image.mode.endswith("a"):
        raise ColourModeError("has 10 bits with colours that are multiplied by an alpha channel")
    file.seek(0)
    # Pillow has no colours of 16 bits, so this comes from behind it.
    photos: Any = pi_heif.open_heif(file, convert_hdr_to_8bit=False)
    pixels = np.array(photos[photos.primary_index])
    # The bits of 10 or 12 are the upper ones: repeated below, they make white 65535.
    pixels |= pixels >> image.info["bit_depth"]
    return pixels


def _has_gain_map(image: Image.Image, file: BinaryIO) -> bool:
    # As Apple names it, and by the brand of ISO 21496-1, in the box with which files begin.
    if any("gainmap" in name for name in image.info.get("aux", ())):
        return True
    file.seek(0)
    size = int.from_bytes(file.read(4), "big")
    return b"tmap" in file.read(min(size, _LONGEST_META))


def _open_avif(file: Any) -> Image.Image:
    if not AvifImagePlugin.SUPPORTED:
        raise UnsupportedError(_NO_AVIF)
    image = AvifImagePlugin.AvifImageFile(file)
    file.seek(0)
    if found := _NCLX.search(file.read(_LONGEST_META)):
        _add_profile(image, *(int.from_bytes(number, "big") for number in found.groups()))
    return image


_NO_AVIF = "AVIF needs a Pillow that has it: pip install --upgrade pillow"


def _encode_avif(pixels: np.ndarray, metadata: Mapping[str, bytes], quality: int) -> bytes:
    if not AvifImagePlugin.SUPPORTED:
        raise UnsupportedError(_NO_AVIF)
    if max(pixels.shape[:2]) > _LARGEST_SIDE or pixels.shape[0] * pixels.shape[1] > _MOST_PIXELS:
        raise ValueError("more pixels than decoders take")
    # As of JPEG.
    full = {"subsampling": "4:4:4"} if quality >= 90 and pixels.shape[2] >= 3 else {}
    # Of 10; Pillow's 6 took 10 s for 12 megapixels, this 1.5 s, for files of the same quality that
    # are an eighth larger.
    return saved("AVIF", pixels, {**metadata, **full, "quality": quality, "speed": 8})


AVIF = ImageFormat(
    "AVIF",
    (".avif",),
    # Or of a general kind, and among those that it conforms to.
    re.compile(rb"....ftyp(avi[fs]|mi[fa]1....(....)*avif)", re.DOTALL),
    _open_avif,
    lambda image, file, deep: read_8_bits(image),
    _encode_avif,
    alpha=True,
    reads_whole=True,
    encoding_bytes=32,
    has_gain_map=_has_gain_map,
)
HEIC = ImageFormat(
    "HEIC",
    (".heic", ".heif", ".hif"),
    re.compile(rb"....ftyp(hei[csmx]|mif1)", re.DOTALL),
    _open_heic,
    _read_heic,
    None,
    written_as=".jpg",
    is_deep=lambda image: image.info["bit_depth"] > 8,
    reads_whole=True,
    upright=True,
    has_gain_map=_has_gain_map,
)
