"""Finds and reads photo files; each unusable one gets a message of one line."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import numpy as np

from drgn_tf.errors import BadImageError, UserError
from drgn_tf.images.formats import FORMATS
from drgn_tf.images.image_format import describe_mode
from drgn_tf.images.opening import MAX_MEGAPIXELS, opened
from drgn_tf.images.raw import RAW

# A RAW file lies beside the camera's own JPEG of the photo, which is what is wanted here.
_FORMATS = [entry for entry in FORMATS if entry is not RAW]
_SUFFIXES = {suffix for entry in _FORMATS for suffix in entry.suffixes}
# Smaller sides cannot hold a window of the SSIM loss.
SMALLEST_SIDE = 16

# By EXIF orientation; 1 is upright.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: np.rot90,
}


def list_photos(folder: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the photos directly inside a folder, by stem, in order of their stems.

    Hidden files and files with other suffixes are ignored.

    Raises:
      UserError: no such folder, no photo in it, or two photos of one stem.
    """
    folder = pathlib.Path(folder)
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder.")
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be read ({error.strerror}); check its permissions."
        ) from error
    photos: dict[str, pathlib.Path] = {}
    for path in paths:
        if path.suffix.lower() not in _SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in photos:
            raise UserError(
                f"{path}: {photos[path.stem].name} has the same stem; keep one of the two."
            )
        photos[path.stem] = path
    if not photos:
        names = ", ".join(entry.name for entry in _FORMATS)
        found = "no photo in this folder" if paths else "the folder is empty"
        raise UserError(f"{folder}: {found}; {names} files are expected here.")
    return dict(sorted(photos.items()))


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns stored pixels as a viewer shows them, by the EXIF orientation (1 to 8)."""
    return np.ascontiguousarray(_TURNS.get(orientation, np.asarray)(pixels))


def read_photo(path: str | pathlib.Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Reads an RGB photo, rotated by its EXIF orientation.

    Args:
      path: of the file.
      max_megapixels: larger photos are refused before they are decoded.

    Returns:
      uint8 [H, W, 3], or uint16 for files with more bits per channel.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too large or small, or not RGB.
    """
    path = pathlib.Path(path)
    with opened(path, max_megapixels) as photo:
        mode = photo.image.mode
        if mode not in ("RGB", "P"):
            raise BadImageError(f"{path}: {describe_mode(mode)}; convert it to RGB.")
        if mode == "P" and "transparency" in photo.image.info:
            raise BadImageError(f"{path}: has transparency; convert it to RGB.")
        pixels = turned(photo.pixels()[:, :, :3], photo.orientation)
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise BadImageError(
            f"{path}: is {width}x{height} pixels; "
            f"at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed, remove it."
        )
    return pixels


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8 or uint16 pixels as float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.iinfo(pixels.dtype).max


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Returns an image as uint8, rounded to the nearest level.

    Args:
      image: uint8, uint16, or float, which is clipped to [0, 1].
    """
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        image = to_float(image)
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
