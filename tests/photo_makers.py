"""Photos that no package writes: of cameras, of phones, and of those who mean harm."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from drgn_tf.images import colour

# Level of the sensor without light, and the highest one.
_BLACK, _WHITE = 256, 16383
# What the sensor sees of grey in the light of the photo: the camera's white balance divides by it;
# and in daylight, in which its colours were measured.
_NEUTRAL, _DAYLIGHT = np.array([0.5, 1.0, 0.7]), np.array([0.6, 1.0, 0.55])
# Linear light of sRGB's primaries to XYZ at D65 (IEC 61966-2-1).
_SRGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
_SHORT, _LONG, _BYTE, _ASCII, _RATIONAL, _SIGNED_RATIONAL = 3, 4, 1, 2, 5, 10


def tiff(tags: Mapping[int, object], strip: bytes, types: Mapping[int, int] = {}) -> bytes:
    """A TIFF file of any tags and one strip (or tile, with offset 0 in its tag)."""
    directory = ImageFileDirectory_v2()
    for tag, value in tags.items():
        if tag in types:
            directory.tagtype[tag] = types[tag]
        directory[tag] = value
    buffer = io.BytesIO()
    directory.save(buffer)
    return buffer.getvalue() + strip


def dng(photo: np.ndarray, orientation: int = 1, **changed: int) -> bytes:
    """A DNG file with what a camera's sensor would have seen of a photo.

    Args:
      photo: uint8 [H, W, 3] in sRGB; of odd sides the last pixels are left out.
      orientation: in the EXIF data.
      changed: width or height that the file claims.
    """
    height, width = (side // 2 * 2 for side in photo.shape[:2])
    light = colour.to_linear(photo[:height, :width] / 255) * _NEUTRAL
    mosaic = np.empty((height, width))
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = light[row::2, column::2, channel]
    seen = np.round(_BLACK + (_WHITE - _BLACK) * mosaic).astype("<u2").tobytes()
    height, width = changed.get("height", height), changed.get("width", width)
    matrix = np.diag(_DAYLIGHT) @ np.linalg.inv(_SRGB_TO_XYZ)
    tags = {
        254: (_LONG, 0), 256: (_LONG, width), 257: (_LONG, height), 258: (_SHORT, 16),
        259: (_SHORT, 1), 262: (_SHORT, 32803), 271: (_ASCII, "Maker"), 272: (_ASCII, "Camera"),
        273: (_LONG, 0), 274: (_SHORT, orientation), 277: (_SHORT, 1), 278: (_LONG, height),
        279: (_LONG, len(seen)), 284: (_SHORT, 1), 34665: (_LONG, {33434: 0.02}),
        # The pattern of colours (red, green, green, blue), DNG's versions, name, levels, colours at
        # daylight and the white balance.
        33421: (_SHORT, (2, 2)), 33422: (_BYTE, bytes([0, 1, 1, 2])),
        50706: (_BYTE, bytes([1, 4, 0, 0])), 50707: (_BYTE, bytes([1, 1, 0, 0])),
        50708: (_ASCII, "Maker Camera"), 50714: (_SHORT, _BLACK), 50717: (_SHORT, _WHITE),
        50721: (_SIGNED_RATIONAL, tuple(map(float, matrix.ravel()))),
        50728: (_RATIONAL, tuple(map(float, _NEUTRAL))), 50778: (_SHORT, 21),
    }  # fmt: skip
    values = {tag: value for tag, (_, value) in tags.items()}
    types = {tag: kind for tag, (kind, value) in tags.items() if not isinstance(value, dict)}
    return tiff(values, seen, types)


def ultra_hdr(photo: np.ndarray, **options: object) -> bytes:
    """A JPEG file with a gain map behind the photo, as Android phones write it."""
    namespaces = (
        b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
        b'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        + namespaces
        + b' hdrgm:Version="1.0" dc:source="phone"><Container:Directory><rdf:Seq/>'
        b"</Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    buffer = io.BytesIO()
    gain_map = Image.new("L", (photo.shape[1] // 4, photo.shape[0] // 4), 99)
    Image.fromarray(photo).save(
        buffer, "MPO", save_all=True, append_images=[gain_map], xmp=xmp, **options
    )
    return buffer.getvalue()


def ycck(inks: np.ndarray) -> bytes:
    """A JPEG file in YCCK, as Photoshop writes CMYK, of uint8 [H, W, 4] inks (255 is most)."""
    # Inks as luma and chroma; Pillow inverts all four planes, of which Adobe inverts black alone.
    colours = Image.fromarray(inks[:, :, :3]).convert("YCbCr")
    planes = np.dstack([255 - np.asarray(colours), inks[:, :, 3]])
    buffer = io.BytesIO()
    Image.frombytes("CMYK", planes.shape[1::-1], planes.tobytes()).save(
        buffer, "JPEG", quality=98, subsampling=0
    )
    data = buffer.getvalue()
    start = data.index(b"Adobe")
    # The transform, in the last byte of Adobe's segment: 2 is YCCK.
    return data[: start + 11] + b"\2" + data[start + 12 :]
