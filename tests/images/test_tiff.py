"""TIFF files: exact in 8 and 16 bits, as scanners and editors write them, and bounded."""

from __future__ import annotations

import io
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from drgn_tf.errors import BadImageError
from drgn_tf.images import colour, photo_files, tiff
from drgn_tf.images.photo_files import PhotoFile
from drgn_tf.images.photos import turned
from tests import photo_makers

PROFILE = colour.matrix_profile("P3", colour.DISPLAY_P3)


def by_opencv(pixels: np.ndarray, *options: int) -> bytes:
    order = list(range(pixels.shape[2]))
    order[:3] = order[2::-1]
    _, encoded = cv2.imencode(".tif", np.ascontiguousarray(pixels[:, :, order]), options)
    return encoded.tobytes()


@pytest.fixture(scope="module")
def deep(dark) -> np.ndarray:
    """The photo with all of 16 bits in use."""
    noise = np.random.default_rng(0).integers(0, 257, dark.shape, np.uint16)
    return dark.astype(np.uint16) * 255 + noise


def test_others_write_what_is_read_and_read_what_is_written(dark, deep):
    for pixels in (dark, deep):
        np.testing.assert_array_equal(photo_files.decode(by_opencv(pixels)).pixels, pixels)
        encoded = photo_files.encode(pixels, PhotoFile(pixels), ".tif", 95)
        flags = cv2.IMREAD_UNCHANGED
        found = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)[:, :, ::-1]
        np.testing.assert_array_equal(found, pixels)
        assert len(encoded) < pixels.nbytes
    with Image.open(io.BytesIO(photo_files.encode(dark, PhotoFile(dark), ".tif", 95))) as image:
        np.testing.assert_array_equal(np.asarray(image), dark)


def test_what_describes_the_photo_is_kept_and_what_describes_the_file_is_not(deep):
    exif = Image.Exif()
    exif.update({0x010F: "Camera", 0x011A: 300.0, 0x011B: 300.0, 0x0128: 2, 0x0112: 1})
    exif.get_ifd(0x8769).update({0x829A: 0.5, 0x927C: b"notes"})
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    given = {"exif": exif.tobytes(), "icc_profile": PROFILE, "xmp": b"<x/>"}
    encoded = photo_files.encode(deep, PhotoFile(deep, metadata=given), ".tif", 95)
    photo = photo_files.decode(encoded)
    assert photo.metadata["icc_profile"] == PROFILE and photo.metadata["xmp"] == b"<x/>"
    # As a JPEG: sizes and strips of the TIFF file would be nonsense in it.
    with Image.open(io.BytesIO(photo_files.encode(photo.pixels, photo, ".jpg", 95))) as image:
        found = image.getexif()
        assert set(found) == {0x010F, 0x0112, 0x011A, 0x011B, 0x0128, 0x8769, 0x8825}
        assert found[0x011A] == 300
        assert found.get_ifd(0x8769) == {0x829A: 0.5, 0x927C: b"notes"}
        assert found.get_ifd(0x8825) == {1: "N", 2: (1.0, 2.0, 3.0)}


@pytest.mark.parametrize("depth", [8, 16])
def test_pixels_are_read_upright(dark, depth):
    """Both decoders turn them, so the result must not be turned again."""
    dark = dark[:40, :60]
    stored = dark if depth == 8 else dark.astype(np.uint16) * 257
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        metadata = {"exif": exif.tobytes(), "xmp": b'<x tiff:Orientation="6" a="1"/>'}
        photo = photo_files.decode(
            photo_files.encode(stored, PhotoFile(stored, metadata=metadata), ".tif", 95)
        )
        expected = turned(stored, orientation)
        np.testing.assert_array_equal(photo.pixels, expected)
        assert photo.orientation == 1 and photo.metadata["xmp"] == b'<x a="1"/>'
        again = photo_files.decode(photo_files.encode(photo.pixels, photo, ".tif", 95))
        np.testing.assert_array_equal(again.pixels, expected)


def test_a_grey_file_has_no_profile_of_rgb(dark):
    grey_profile = PROFILE.replace(b"RGB ", b"GRAY", 1)
    for profile, kept in ((PROFILE, False), (grey_profile, True)):
        photo = PhotoFile(dark, grey=True, metadata={"icc_profile": profile})
        again = photo_files.decode(photo_files.encode(dark, photo, ".tif", 95))
        assert again.grey and ("icc_profile" in again.metadata) == kept


def test_grey_of_16_bits_and_palettes(dark):
    grey = dark[:, :, 0].astype(np.uint16) * 257 + 3
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "TIFF", compression="tiff_lzw")
    photo = photo_files.decode(buffer.getvalue())
    assert photo.grey
    np.testing.assert_array_equal(photo.pixels[:, :, 1], grey)
    buffer = io.BytesIO()
    palette = Image.fromarray(dark).quantize(64)
    palette.save(buffer, "TIFF")
    np.testing.assert_array_equal(
        photo_files.decode(buffer.getvalue()).pixels, np.asarray(palette.convert("RGB"))
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_scans_in_which_0_is_white_are_no_negatives(dark, dtype):
    grey = dark[:64, :64, 0].astype(dtype)
    size = 8 * grey.itemsize
    strip = grey.astype(grey.dtype.newbyteorder("<")).tobytes()
    tags = {256: 64, 257: 64, 258: size, 259: 1, 262: 0, 277: 1, 278: 64, 273: 0, 279: len(strip)}
    photo = photo_files.decode(photo_makers.tiff(tags, strip))
    np.testing.assert_array_equal(photo.pixels[:, :, 0], ~grey)


BASE = {256: 64, 257: 64, 258: (8, 8, 8), 259: 8, 262: 2, 277: 3, 278: 64, 273: 0}
PACKED = zlib.compress(bytes(64 * 64 * 3))


def made(strip: bytes = PACKED, **changed: object) -> bytes:
    tags = {**BASE, 279: len(strip), **{int(name[1:]): value for name, value in changed.items()}}
    return photo_makers.tiff(
        {tag: value for tag, value in tags.items() if value is not None}, strip
    )


TILED = {"t273": None, "t278": None, "t279": None, "t324": 0, "t325": len(PACKED)}


@pytest.mark.parametrize(
    "data, said",
    [
        (made(t256=30000, t257=30000), "more than the limit of 256 megapixels"),
        (made(t256=15000, t257=15000), "too few for 15000x15000 pixels"),
        (made(**TILED, t322=65520, t323=65520), "tiles larger than the photo"),
        (made(t258=(32, 32, 32), t339=(3, 3, 3)), "neither 8 nor 16 bits"),
        (made(t258=(16, 16, 16), t284=2), "each colour in a plane of its own"),
        (made(t258=(16,) * 4, t277=4, t338=(1,)), "a fourth channel that is no plain alpha"),
        (made(b""), "damaged"),
    ],
    ids=range(7),
)
def test_what_cannot_be_read_is_one_line_and_takes_no_memory(data, said):
    tracemalloc.start()
    try:
        with pytest.raises(BadImageError, match=said) as caught:
            photo_files.decode(data, "a.tif")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_a_strip_of_more_than_the_photo_is_not_unpacked_further():
    assert photo_files.decode(made(zlib.compress(bytes(10**8)))).pixels.shape == (64, 64, 3)


def test_several_pages_are_refused(dark):
    buffer = io.BytesIO()
    page = Image.fromarray(dark[:32, :32])
    page.save(buffer, "TIFF", save_all=True, append_images=[page])
    with pytest.raises(BadImageError, match="has several pages; save one of them as a PNG"):
        photo_files.decode(buffer.getvalue())


def test_raw_files_are_told_from_tiff(dark):
    previewed = {**BASE, 279: len(PACKED), 254: 1, 330: 8}
    raw = [
        photo_makers.dng(dark[:32, :32]),
        photo_makers.tiff(previewed, PACKED),
        b"II*\0\x10\0\0\0CR\x02\0",
    ]
    for data in (*raw, b"II*\0", b"MM\0*\xff\xff\xff\xff\0\0", made(), by_opencv(dark)):
        assert tiff.is_raw(io.BytesIO(data)) == (data in raw)
