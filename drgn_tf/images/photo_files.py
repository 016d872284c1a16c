"""Photo files, read and written with everything that is not the photo itself.

EXIF, ICC profile, XMP, alpha, bit depth, grey and orientation are preserved. Pixels keep
their stored order: a viewer rotates the result as it rotated the original. BMP has no EXIF
data and no profile: pixels are rotated, and become sRGB, as they are written. The preview in
the EXIF data still shows the low-light photo, so it is made anew. docs/formats.md has a table.
"""

from __future__ import annotations

import dataclasses
import io
import pathlib

import numpy as np
from PIL import ExifTags

from drgn_tf.brightness import LUMA
from drgn_tf.errors import BadImageError
from drgn_tf.files import atomic_path, first_line
from drgn_tf.images import colour, previews
from drgn_tf.images.colour import ColourSpace
from drgn_tf.images.formats import format_of_name, xmp_of
from drgn_tf.images.image_format import (
    UnsupportedError,
    with_xmp_upright,
    without_xmp_attachments,
)
from drgn_tf.images.opening import MAX_MEGAPIXELS, OpenedImage, opened, opened_file
from drgn_tf.images.photos import to_uint8, turned


@dataclasses.dataclass(frozen=True)
class PhotoFile:
    """A decoded photo, with the metadata of its file.

    Attributes:
      pixels: uint8 or uint16 [H, W, 3] in stored order; a grey photo has three equal channels.
      alpha: [H, W] in the same dtype, or None.
      grey: whether the file has one colour channel.
      metadata: bytes, by the keywords of Pillow's `save`: "exif", "icc_profile", "xmp".
      orientation: of the pixels, by the EXIF data, 1 to 8; 1 is upright.
      preview: whether the EXIF data had a small picture, which is made anew from what is written.
      gain_map: whether the file had a second picture, which brightens the photo on HDR screens. It
        fits no result, and is not kept.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    metadata: dict[str, bytes] = dataclasses.field(default_factory=dict)
    orientation: int = 1
    preview: bool = False
    gain_map: bool = False

    @property
    def space(self) -> ColourSpace | None:
        """The colour space of the pixels; None if it is sRGB, or is taken as such."""
        return None if self.grey else colour.space_of(self.metadata.get("icc_profile"))

    def in_srgb(self) -> np.ndarray:
        """Returns the pixels as networks take them: uint8 or uint16 [H, W, 3] in sRGB."""
        return self.pixels if self.space is None else self.space.to_srgb(self.pixels)

    def out_of_srgb(self, enhanced: np.ndarray) -> np.ndarray:
        """Returns what a network made of `in_srgb`, in the colour space and dtype of the photo."""
        return enhanced if self.space is None else self.space.from_srgb(enhanced, self.pixels)


def read(path: pathlib.Path, max_megapixels: float = MAX_MEGAPIXELS) -> PhotoFile:
    """Reads a photo of 8 or 16 bits; colour or grey, with or without alpha.

    Args:
      path: of the file.
      max_megapixels: larger photos are refused before they are decoded.

    Raises:
      BadImageError: unreadable, truncated, empty, animated, too large, not an image, or in a
        colour model that cannot be written back, or its package is missing.
    """
    with opened(path, max_megapixels) as photo:
        return _decoded(photo)


def decode(
    data: bytes, name: str = "the photo", max_megapixels: float = MAX_MEGAPIXELS
) -> PhotoFile:
    """Reads a photo from the bytes of its file.

    Args:
      data: all of the file.
      name: of the photo, for errors.
      max_megapixels: larger photos are refused before they are decoded.

    Raises:
      BadImageError: see `read`.
    """
    with opened_file(io.BytesIO(data), name, max_megapixels) as photo:
        return _decoded(photo)


def _decoded(photo: OpenedImage) -> PhotoFile:
    image, kind = photo.image, photo.format
    exif = kind.exif(image)
    if kind.upright and ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    metadata = {"exif": exif.tobytes()} if exif else {}
    preview = bool(exif.get_ifd(ExifTags.IFD.IFD1))
    profile = image.info.get("icc_profile")
    # Pixels of inks are read as sRGB.
    if profile and colour.model_of(profile) != "CMYK":
        metadata["icc_profile"] = profile
    if xmp := xmp_of(image):
        xmp = without_xmp_attachments(xmp)
        metadata["xmp"] = with_xmp_upright(xmp) if kind.upright else xmp
    gain_map = kind.has_gain_map(image, photo.file)
    stored = photo.pixels()
    if stored.ndim == 2:
        stored = stored[:, :, np.newaxis]
    channels = stored.shape[2]
    grey = channels <= 2
    alpha = np.ascontiguousarray(stored[:, :, -1]) if channels in (2, 4) else None
    pixels = np.repeat(stored[:, :, :1], 3, axis=2) if grey else stored[:, :, :3]
    return PhotoFile(
        np.ascontiguousarray(pixels), alpha, grey, metadata, photo.orientation, preview, gain_map
    )


def write(path: pathlib.Path, pixels: np.ndarray, photo: PhotoFile, quality: int) -> None:
    """Writes pixels with the alpha, grey mode and metadata of a photo.

    Args:
      path: of the new file; its suffix selects the format. PNG and TIFF keep 16 bits, the
        others have 8.
      pixels: uint8 or uint16 [H, W, 3], in stored order.
      photo: supplies alpha, grey and metadata.
      quality: of JPEG, WebP and AVIF, 1 to 100.

    Raises:
      BadImageError: the format cannot keep it: alpha, or more pixels or metadata than it takes.
      UserError: the disk is full, or does not take the file.
    """
    data = encode(pixels, photo, path.suffix, quality, path)
    with atomic_path(path) as beside:
        beside.write_bytes(data)


def encode(
    pixels: np.ndarray,
    photo: PhotoFile,
    suffix: str,
    quality: int,
    name: str | pathlib.Path = "the result",
) -> bytes:
    """Returns the bytes of a file that `write` writes.

    Args:
      pixels: uint8 or uint16 [H, W, 3], in stored order.
      photo: supplies alpha, grey and metadata.
      suffix: selects the format, such as ".jpg".
      quality: of JPEG, WebP and AVIF, 1 to 100.
      name: of the result, for errors.

    Raises:
      BadImageError: see `write`.
    """
    kind = format_of_name(suffix)
    if kind.encode is None:
        raise BadImageError(f"{name}: {kind.name} is not written; choose another format.")
    if photo.alpha is not None and not kind.alpha:
        raise BadImageError(f"{name}: {kind.name} cannot hold transparency; choose PNG or WebP.")
    if "icc_profile" not in kind.metadata and photo.space is not None:
        # Nothing in the file could say which colours these are.
        pixels = photo.space.to_srgb(pixels)
    if photo.grey:
        # Enhanced, it may have colours.
        grey = np.round(pixels @ np.array(LUMA, np.float32)).astype(pixels.dtype)
        pixels = grey[:, :, np.newaxis]
    if photo.alpha is not None:
        pixels = np.concatenate([pixels, photo.alpha[:, :, np.newaxis]], axis=2)
    if not kind.deep:
        pixels = to_uint8(pixels)
    if "exif" not in kind.metadata:
        # Nothing in the file could say that it is to be rotated.
        pixels = turned(pixels, photo.orientation)
    metadata = {name: value for name, value in photo.metadata.items() if name in kind.metadata}
    if photo.preview and "exif" in metadata:
        metadata["exif"] = previews.with_preview(metadata["exif"], pixels)
    try:
        return kind.encode(pixels, metadata, quality)
    except UnsupportedError as error:
        raise BadImageError(f"{name}: {error}") from error
    except (ValueError, OSError) as error:
        raise BadImageError(
            f"{name}: {kind.name} cannot hold this photo ({first_line(error)}); choose another "
            "format."
        ) from error
