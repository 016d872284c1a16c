"""Finding and reading photo files, with one clear line for each that cannot be used."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_SUFFIX_LIST = "JPEG, PNG, BMP or WebP"
# Sides below this hold no window of the SSIM loss.
SMALLEST_SIDE = 16


# By EXIF orientation; 1 is upright.
_TURNS = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: np.rot90,
}


class DataError(ValueError):
    """Data that cannot be trained on. The message names the file and the remedy."""


class BadImageError(DataError):
    """One image that cannot be used; the others could be."""


def list_photos(folder: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the photos directly inside a folder, by stem, in order of their stems.

    Files with other endings are ignored, as are hidden ones.

    Raises:
      DataError: no such folder, no photo in it, or two photos of one stem.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder.")
    photos: dict[str, pathlib.Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in photos:
            raise DataError(
                f"{path}: {photos[path.stem].name} has the same stem; keep one of the two."
            )
        photos[path.stem] = path
    if not photos:
        found = "the folder is empty" if not any(folder.iterdir()) else "no photo in this folder"
        raise DataError(f"{folder}: {found}; {_SUFFIX_LIST} files are expected here.")
    return dict(sorted(photos.items()))


def _is_png_of_16_bits(data: bytes) -> bool:
    # Byte 24 of a PNG is the bit depth, inside the header chunk.
    return data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24 and data[24] == 16


def read_photo(path: str | pathlib.Path) -> np.ndarray:
    """Reads an RGB photo, turned as its EXIF orientation says.

    Returns:
      uint8 [H, W, 3], or uint16 for PNG files of 16 bits per channel.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too small, or not RGB.
    """
    path = pathlib.Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadImageError(
            f"{path}: cannot be read ({error.strerror}); check its name and permissions."
        ) from error
    if not data:
        raise BadImageError(f"{path}: the file is empty; replace or remove it.")
    try:
        # Pillow, because it refuses truncated files; OpenCV fills the rest with grey.
        with Image.open(path) as image:
            # MPO is a JPEG with further pictures behind it, as many phones write.
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise BadImageError(f"{path}: is animated; save one frame of it as a PNG.")
            mode = image.mode
            if mode not in ("RGB", "P"):
                raise BadImageError(f"{path}: {_describe_mode(mode)}; convert it to RGB.")
            if mode == "P" and "transparency" in image.info:
                raise BadImageError(f"{path}: has transparency; convert it to RGB.")
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (BadImageError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            # The system's trouble, not the photo's.
            raise
        raise BadImageError(
            f"{path}: is damaged or no image ({_first_line(error)}); replace or remove it."
        ) from error
    if _is_png_of_16_bits(data):
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None or decoded.dtype != np.uint16:
            raise BadImageError(f"{path}: is damaged; replace or remove it.")
        turn = _TURNS.get(orientation, lambda upright: upright)
        pixels = np.ascontiguousarray(turn(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)))
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise BadImageError(
            f"{path}: is {width}x{height} pixels; "
            f"at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed, remove it."
        )
    return pixels


def _describe_mode(mode: str) -> str:
    names = {"L": "is grey", "LA": "is grey", "RGBA": "has an alpha channel", "CMYK": "is CMYK"}
    if mode.startswith("I") or mode == "F":
        return "is grey with 16 or more bits"
    return names.get(mode, f"has the colour mode {mode}")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    # Pillow quotes the name, which the message has already.
    return text[0].split(" '")[0] if text else type(error).__name__


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8 or uint16 pixels as float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.iinfo(pixels.dtype).max


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Returns a float image as uint8, limited to [0, 1] and rounded to the nearest level."""
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
