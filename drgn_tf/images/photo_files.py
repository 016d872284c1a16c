"""Photo files, read so that they can be written again as they were.

What is not the photo itself comes back unchanged: EXIF, ICC profile, XMP, alpha, bit
depth, grey, the way the pixels are turned. Pixels stay as they are stored: a viewer
turns the result as it turned the original. The preview that cameras put into the EXIF
data is left out; it would still show the photo in the dark.
"""

from __future__ import annotations

import dataclasses
import io
import pathlib

import cv2
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from drgn_tf.files import atomic_path
from drgn_tf.images.photos import BadImageError, decode_16_bits, describe_mode, opened, to_uint8

# By file ending: the name that Pillow has for the format.
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".webp": "WEBP"}
# ITU-R BT.601: what a grey photo is made of when its colours are enhanced apart.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CV_METADATA = {
    "exif": cv2.IMAGE_METADATA_EXIF,
    "xmp": cv2.IMAGE_METADATA_XMP,
    "icc_profile": cv2.IMAGE_METADATA_ICCP,
}
_EXIF_PREFIX = b"Exif\0\0"
# Keyword of the text chunk in which PNG files keep XMP.
_PNG_XMP = "XML:com.adobe.xmp"


@dataclasses.dataclass(frozen=True)
class PhotoFile:
    """A decoded photo, and what its file said beside it.

    Attributes:
      pixels: uint8 or uint16 [H, W, 3], as stored; a grey photo has three equal channels.
      alpha: [H, W] in the same dtype, or None.
      grey: whether the file has one colour channel.
      metadata: bytes by keyword of Pillow's `save`: "exif", "icc_profile", "xmp".
      orientation: by the EXIF data, 1 to 8; 1 is upright.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    metadata: dict[str, bytes] = dataclasses.field(default_factory=dict)
    orientation: int = 1


def read(path: pathlib.Path) -> PhotoFile:
    """Reads a photo: 8 bits, or a PNG of 16 bits; colour or grey, with or without alpha.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too large, no image, or in a
        colour model without a way back (CMYK and others).
    """
    with opened(path) as (image, data):
        mode = image.mode
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        metadata = {"exif": exif.tobytes()} if exif else {}
        if profile := image.info.get("icc_profile"):
            metadata["icc_profile"] = profile
        if xmp := image.info.get("xmp") or image.info.get(_PNG_XMP, "").encode():
            metadata["xmp"] = xmp
        stored = decode_16_bits(path, data)
        if stored is None:
            stored = _stored_pixels(path, image, mode)
    if stored.ndim == 2:
        stored = stored[:, :, np.newaxis]
    channels = stored.shape[2]
    grey = channels <= 2
    alpha = np.ascontiguousarray(stored[:, :, -1]) if channels in (2, 4) else None
    pixels = np.repeat(stored[:, :, :1], 3, axis=2) if grey else stored[:, :, :3]
    orientation = orientation if orientation in range(1, 9) else 1
    return PhotoFile(np.ascontiguousarray(pixels), alpha, grey, metadata, orientation)


def _stored_pixels(path: pathlib.Path, image: Image.Image, mode: str) -> np.ndarray:
    if mode in ("P", "PA"):
        mode = "RGBA" if mode == "PA" or "transparency" in image.info else "RGB"
    elif mode == "1":
        mode = "L"
    elif mode in ("L", "RGB") and "transparency" in image.info:
        mode += "A"
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise BadImageError(f"{path}: {describe_mode(mode)}; convert it to RGB.")
    return np.asarray(image.convert(mode))


def write(path: pathlib.Path, pixels: np.ndarray, photo: PhotoFile, quality: int) -> None:
    """Writes pixels in the way of the photo they were made from.

    Args:
      path: of the new file, whose ending gives the format. PNG keeps 16 bits, the others
        take 8.
      pixels: uint8 or uint16 [H, W, 3], as stored.
      photo: gives alpha, grey and metadata.
      quality: of JPEG and WebP, 1 to 100.

    Raises:
      BadImageError: the photo has alpha, and the format cannot keep it.
      UserError: the disk is full, or does not take the file.
    """
    kind = FORMATS[path.suffix.lower()]
    if photo.alpha is not None and kind in ("JPEG", "BMP"):
        raise BadImageError(f"{path}: {kind} cannot hold transparency; choose PNG or WebP.")
    data = _encoded(kind, pixels, photo, quality)
    with atomic_path(path) as beside:
        beside.write_bytes(data)


def _encoded(kind: str, pixels: np.ndarray, photo: PhotoFile, quality: int) -> bytes:
    if photo.grey:
        grey = np.round(pixels @ _LUMA).astype(pixels.dtype)
        pixels = grey[:, :, np.newaxis]
    if photo.alpha is not None:
        pixels = np.concatenate([pixels, photo.alpha[:, :, np.newaxis]], axis=2)
    if pixels.dtype == np.uint16 and kind == "PNG":
        return _encoded_16_bits(pixels, photo.metadata)
    pixels = to_uint8(pixels)
    buffer = io.BytesIO()
    options = {"quality": quality} if kind in ("JPEG", "WEBP") else {}
    if kind == "JPEG" and quality >= 90:
        # Full colour resolution: halved, it would show in lifted shadows.
        options["subsampling"] = 0
    if kind != "BMP":
        options |= photo.metadata
    if kind == "PNG" and "xmp" in options:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_PNG_XMP, options.pop("xmp").decode())
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _encoded_16_bits(pixels: np.ndarray, metadata: dict[str, bytes]) -> bytes:
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
