"""Finding and reading photo files, with one clear line for each that cannot be used."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from drgn_tf.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_SUFFIX_LIST = "JPEG, PNG, BMP or WebP"
# Sides below this hold no window of the SSIM loss.
SMALLEST_SIDE = 16
# Pixels of a photo. A damaged or malicious header could ask for all memory; Pillow's own limit
# is too low for stitched panoramas.
LARGEST = 512 * 10**6
Image.MAX_IMAGE_PIXELS = LARGEST

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


class BadImageError(UserError):
    """One image that cannot be used; the others could be."""


def list_photos(folder: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the photos directly inside a folder, by stem, in order of their stems.

    Files with other endings are ignored, as are hidden ones.

    Raises:
      UserError: no such folder, no photo in it, or two photos of one stem.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder.")
    photos: dict[str, pathlib.Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in photos:
            raise UserError(
                f"{path}: {photos[path.stem].name} has the same stem; keep one of the two."
            )
        photos[path.stem] = path
    if not photos:
        found = "the folder is empty" if not any(folder.iterdir()) else "no photo in this folder"
        raise UserError(f"{folder}: {found}; {_SUFFIX_LIST} files are expected here.")
    return dict(sorted(photos.items()))


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns stored pixels as a viewer shows them, by the EXIF orientation (1 to 8)."""
    return np.ascontiguousarray(_TURNS.get(orientation, np.asarray)(pixels))


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[tuple[Image.Image, bytes]]:
    """Opens a photo file; gives the photo, not decoded yet, and the bytes of the file.

    What goes wrong inside, in decoding too, becomes one line.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too large, or no image.
    """
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
            if image.width * image.height > LARGEST:
                raise BadImageError(
                    f"{path}: is {image.width}x{image.height} pixels, more than "
                    f"{LARGEST // 10**6} million; scale it down."
                )
            yield image, data
    except (BadImageError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            # The system's trouble, not the photo's.
            raise
        raise BadImageError(
            f"{path}: is damaged or no image ({_first_line(error)}); replace or remove it."
        ) from error


def decode_16_bits(path: pathlib.Path, data: bytes) -> np.ndarray | None:
    """Returns the stored pixels of a PNG of 16 bits, which Pillow would cut to 8.

    Args:
      path: named in errors.
      data: bytes of the file.

    Returns:
      uint16 [H, W], [H, W, 3] RGB or [H, W, 4] RGBA; None if it is another kind of file.

    Raises:
      BadImageError: it is damaged.
    """
    # Byte 24 of a PNG is the bit depth, inside the header chunk.
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) <= 24 or data[24] != 16:
        return None
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if decoded is None or decoded.dtype != np.uint16:
        raise BadImageError(f"{path}: is damaged; replace or remove it.")
    if decoded.ndim == 2:
        return decoded
    order = cv2.COLOR_BGR2RGB if decoded.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(decoded, order)


def read_photo(path: str | pathlib.Path) -> np.ndarray:
    """Reads an RGB photo, turned as its EXIF orientation says.

    Returns:
      uint8 [H, W, 3], or uint16 for PNG files of 16 bits per channel.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too small, or not RGB.
    """
    path = pathlib.Path(path)
    with opened(path) as (image, data):
        mode = image.mode
        if mode not in ("RGB", "P"):
            raise BadImageError(f"{path}: {describe_mode(mode)}; convert it to RGB.")
        if mode == "P" and "transparency" in image.info:
            raise BadImageError(f"{path}: has transparency; convert it to RGB.")
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    deep = decode_16_bits(path, data)
    if deep is not None:
        pixels = turned(deep, orientation)
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise BadImageError(
            f"{path}: is {width}x{height} pixels; "
            f"at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed, remove it."
        )
    return pixels


def describe_mode(mode: str) -> str:
    """Returns what a photo of this mode of Pillow's is, for messages."""
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
    """Returns an image as uint8, rounded to the nearest level.

    Args:
      image: uint8, uint16, or float, which is limited to [0, 1].
    """
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        image = to_float(image)
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
