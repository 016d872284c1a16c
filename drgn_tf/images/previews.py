"""The small picture inside EXIF data, which file managers and cameras show."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from drgn_tf.images.image_format import saved
from drgn_tf.images.photos import to_uint8

# As DCF, the standard of cameras, has it.
_LARGEST_SIDE = 160
# A segment of a JPEG file, which holds all EXIF data, after its length.
_MOST_BYTES = 65533
_PREFIX = b"Exif\0\0"
_COMPRESSION, _START, _LENGTH = 0x0103, 0x0201, 0x0202
_JPEG = 6
# Types of values: 2 and 4 bytes.
_SHORT, _LONG = 3, 4


def with_preview(exif: bytes, pixels: np.ndarray) -> bytes:
    """Returns EXIF data with a preview of a photo; as they are if it does not fit in.

    Args:
      exif: of one directory, as Pillow writes it.
      pixels: uint8 or uint16 [H, W, C] in stored order, which is also that of the preview.
    """
    body = exif.removeprefix(_PREFIX)
    order = "<" if body[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, first)
    link = first + 2 + 12 * count
    # The second directory begins at an even place.
    start = len(body) + len(body) % 2
    picture = _small(pixels)
    entries = ((_COMPRESSION, _SHORT, _JPEG), (_START, _LONG, 0), (_LENGTH, _LONG, len(picture)))
    behind = start + 2 + 12 * len(entries) + 4
    directory = struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        directory += struct.pack(f"{order}HHI", tag, kind, 1)
        value = behind if tag == _START else value
        directory += struct.pack(f"{order}H2x" if kind == _SHORT else f"{order}I", value)
    linked = body[:link] + struct.pack(f"{order}I", start) + body[link + 4 :]
    whole = _PREFIX + linked.ljust(start, b"\0") + directory + bytes(4) + picture
    return whole if len(whole) <= _MOST_BYTES else exif


def _small(pixels: np.ndarray) -> bytes:
    colours = pixels[:, :, :1] if pixels.shape[2] <= 2 else pixels[:, :, :3]
    height, width = pixels.shape[:2]
    scale = min(1.0, _LARGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(np.ascontiguousarray(colours), size, interpolation=cv2.INTER_AREA)
    return saved("JPEG", np.atleast_3d(to_uint8(small)), {"quality": 85})
