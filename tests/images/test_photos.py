"""Reading single photos and listing folders of them."""

import errno
import os
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from drgn_tf.errors import UserError
from drgn_tf.images.photos import (
    BadImageError,
    list_photos,
    read_photo,
    to_float,
    to_uint8,
)

# What UserError promises: each message says what to do.
REMEDY = r"remove|replace|convert|save|check|allow"

# How a viewer turns the stored pixels, by the value of the EXIF tag.
VIEWS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored),
}


@pytest.fixture(scope="module")
def view(photo) -> np.ndarray:
    """Part of a real photo, uint8 [40, 64, 3]."""
    return photo[100:140, 150:214]


@pytest.fixture(scope="module")
def view_16(photo) -> np.ndarray:
    """Part of a real photo in 16 bits, most values not expressible in 8: uint16 [40, 64, 3]."""
    return np.round(65535 * (photo[100:140, 150:214] / 255.0) ** 1.7).astype(np.uint16)


def write_16(path, pixels) -> None:
    """Writes RGB (or grey) pixels as a PNG of 16 bits."""
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def write_orientated_16(path, pixels, orientation: int) -> None:
    """Writes a PNG of 16 bits with an eXIf chunk, which OpenCV cannot."""
    write_16(path, pixels)
    content = b"eXIf" + exif(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    data = path.read_bytes()
    # Behind the signature (8 bytes) and the header chunk (25).
    path.write_bytes(data[:33] + chunk + data[33:])


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "PNG", "Bmp"])
def test_lossless_formats_of_8_bits_are_read_exactly(tmp_path, view, ending):
    path = tmp_path / f"view.{ending}"
    Image.fromarray(view).save(path, **({"lossless": True} if ending == "webp" else {}))
    pixels = read_photo(path)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, view)


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "JPG", "webp"])
def test_lossy_formats_are_read_in_rgb_order(tmp_path, view, ending):
    path = tmp_path / f"view.{ending}"
    Image.fromarray(view).save(path, quality=95)
    pixels = read_photo(path)
    assert pixels.dtype == np.uint8 and pixels.shape == view.shape
    # Swapped channels would be off by 40 levels on this photo.
    assert np.abs(pixels.astype(int) - view).mean() < 4


def test_png_of_16_bits_is_read_exactly(tmp_path, view_16):
    write_16(tmp_path / "view.png", view_16)
    pixels = read_photo(tmp_path / "view.png")
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, view_16)


def test_palette_png_is_read_as_rgb(tmp_path, view):
    indexed = Image.fromarray(view).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    indexed.save(tmp_path / "view.png")
    pixels = read_photo(tmp_path / "view.png")
    np.testing.assert_array_equal(pixels, np.asarray(indexed.convert("RGB")))


def test_path_may_be_a_string(tmp_path, view):
    Image.fromarray(view).save(tmp_path / "view.png")
    np.testing.assert_array_equal(read_photo(str(tmp_path / "view.png")), view)


def test_the_smallest_photo_of_16_pixels_is_read(tmp_path, view):
    Image.fromarray(view[:16, :16]).save(tmp_path / "view.png")
    assert read_photo(tmp_path / "view.png").shape == (16, 16, 3)


# ---------------------------------------------------------------- orientation


@pytest.mark.parametrize("orientation", VIEWS)
def test_jpeg_is_turned_as_its_orientation_says(tmp_path, view, orientation):
    Image.fromarray(view).save(tmp_path / "plain.jpg")
    Image.fromarray(view).save(tmp_path / "turned.jpg", exif=exif(orientation))
    stored = read_photo(tmp_path / "plain.jpg")
    np.testing.assert_array_equal(read_photo(tmp_path / "turned.jpg"), VIEWS[orientation](stored))


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_other_formats_are_turned_as_their_orientation_says(tmp_path, view, ending):
    path = tmp_path / f"view.{ending}"
    lossless = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(view).save(path, exif=exif(6), **lossless)
    np.testing.assert_array_equal(read_photo(path), np.rot90(view, -1))


@pytest.mark.parametrize("orientation", VIEWS)
def test_png_of_16_bits_is_turned_as_its_orientation_says(tmp_path, view_16, orientation):
    path = tmp_path / "view.png"
    write_orientated_16(path, view_16, orientation)
    pixels = read_photo(path)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, VIEWS[orientation](view_16))


def test_camera_jpeg_with_a_second_preview_picture_is_the_photo(tmp_path, view):
    """Many cameras append a preview (multi-picture format); viewers show the photo."""
    Image.fromarray(view).save(tmp_path / "plain.jpg")
    preview = Image.fromarray(view[::2, ::2].copy())
    Image.fromarray(view).save(
        tmp_path / "camera.jpg", format="MPO", save_all=True, append_images=[preview]
    )
    np.testing.assert_array_equal(
        read_photo(tmp_path / "camera.jpg"), read_photo(tmp_path / "plain.jpg")
    )


# ---------------------------------------------------------------- bad ones


def _cut(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _truncated(ending):
    def write(path, view):
        Image.fromarray(view).save(path, format=ending)
        _cut(path)

    return write


def _truncated_png_16(path, view):
    write_16(path, view.astype(np.uint16) * 257)
    _cut(path)


def _png_16_without_its_last_bytes(path, view):
    write_16(path, view.astype(np.uint16) * 257)
    path.write_bytes(path.read_bytes()[:-20])


def _flipped_bits(path, view):
    Image.fromarray(view).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)


def _in_mode(mode):
    return lambda path, view: Image.fromarray(view).convert(mode).save(path)


def _grey_16(path, view):
    write_16(path, view[..., 1].astype(np.uint16) * 257)


def _alpha_16(path, view):
    wide = view.astype(np.uint16) * 257
    assert cv2.imwrite(str(path), np.dstack([wide, wide[..., :1]]))


def _half_transparent(path, view):
    # WebP drops an alpha channel that hides nothing.
    image = Image.fromarray(view).convert("RGBA")
    image.putalpha(128)
    image.save(path)


def _transparent_palette(path, view):
    Image.fromarray(view).convert("P").save(path, transparency=0)


def _animated(path, view):
    first, second = Image.fromarray(view), Image.fromarray(view[::-1].copy())
    first.save(path, save_all=True, append_images=[second])


def _of_size(height, width):
    return lambda path, view: Image.fromarray(view[:height, :width]).save(path)


BAD = {
    "truncated jpeg": ("view.jpg", _truncated("jpeg"), "damaged"),
    "truncated png": ("view.png", _truncated("png"), "damaged"),
    "truncated png of 16 bits": ("view.png", _truncated_png_16, "damaged"),
    "16 bits, last bytes missing": ("view.png", _png_16_without_its_last_bytes, "damaged"),
    "truncated bmp": ("view.bmp", _truncated("bmp"), "damaged"),
    "truncated webp": ("view.webp", _truncated("webp"), "damaged"),
    "flipped bits": ("view.png", _flipped_bits, "damaged"),
    "zero bytes": ("view.png", lambda path, _: path.write_bytes(b""), "empty"),
    "text": (
        "view.png",
        lambda path, _: path.write_text("no\nimage\n"),
        "no .* image by its content",
    ),
    "grey": ("view.png", _in_mode("L"), "grey.*convert it to RGB"),
    "grey jpeg": ("view.jpg", _in_mode("L"), "grey.*convert it to RGB"),
    "black and white": ("view.png", _in_mode("1"), "convert it to RGB"),
    "grey and alpha": ("view.png", _in_mode("LA"), "grey.*convert it to RGB"),
    "rgba": ("view.png", _in_mode("RGBA"), "alpha.*convert it to RGB"),
    "rgba of 16 bits": ("view.png", _alpha_16, "alpha.*convert it to RGB"),
    "rgba webp": ("view.webp", _half_transparent, "alpha.*convert it to RGB"),
    "transparent palette": ("view.png", _transparent_palette, "transparen.*convert it to RGB"),
    "cmyk": ("view.jpg", _in_mode("CMYK"), "CMYK.*convert it to RGB"),
    "grey of 16 bits": ("view.png", _grey_16, "grey.*16.*convert it to RGB"),
    "animated webp": ("view.webp", _animated, "animated.*save one frame"),
    "animated png": ("view.png", _animated, "animated.*save one frame"),
    "one pixel": ("view.png", _of_size(1, 1), "1x1.*16x16"),
    "too flat": ("view.png", _of_size(15, 64), "64x15.*16x16"),
    "missing": ("view.png", lambda path, _: None, "cannot be read"),
    "folder": ("view.png", lambda path, _: path.mkdir(), "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_image_is_named_with_its_cause_in_one_line(tmp_path, view, case):
    name, write, cause = BAD[case]
    write(tmp_path / name, view)
    with pytest.raises(BadImageError, match=cause) as caught:
        read_photo(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("case", BAD)
def test_bad_image_message_names_a_remedy(tmp_path, view, case):
    name, write, _ = BAD[case]
    write(tmp_path / name, view)
    with pytest.raises(BadImageError) as caught:
        read_photo(tmp_path / name)
    assert re.search(REMEDY, str(caught.value).removeprefix(str(tmp_path)))


def test_bad_image_is_named_once(tmp_path, monkeypatch):
    (tmp_path / "view.png").write_text("no image")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadImageError) as caught:
        read_photo("view.png")
    assert str(caught.value).count("view.png") == 1


def test_file_without_permission_is_a_bad_image(tmp_path, view, monkeypatch):
    Image.fromarray(view).save(tmp_path / "view.png")

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    # Not by the file's mode, which stops no administrator.
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(BadImageError, match=r"view\.png: cannot be read \(Permission denied\)"):
        read_photo(tmp_path / "view.png")


# ---------------------------------------------------------------- folders


def _touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"not read")


def test_photos_are_listed_by_stem_in_order(tmp_path):
    _touch(tmp_path, "b.png", "a-1.jpg", "C.WEBP", "a.bmp", "10.jpeg", "9.JPG")
    photos = list_photos(tmp_path)
    assert list(photos) == ["10", "9", "C", "a", "a-1", "b"]
    assert photos["C"] == tmp_path / "C.WEBP"


def test_hidden_and_other_files_and_folders_inside_are_ignored(tmp_path):
    _touch(
        tmp_path, "a.png", ".b.png", "._a.png", ".DS_Store", "notes.txt", "a.dng", "a.gif", "png"
    )
    (tmp_path / "inner").mkdir()
    _touch(tmp_path / "inner", "c.png")
    assert list(list_photos(str(tmp_path))) == ["a"]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent: no such folder"):
        list_photos(tmp_path / "absent")


def test_a_file_is_no_folder(tmp_path):
    _touch(tmp_path, "a.png")
    with pytest.raises(UserError, match=r"a\.png: no such folder"):
        list_photos(tmp_path / "a.png")


def test_empty_folder_is_told_from_one_without_photos(tmp_path):
    with pytest.raises(UserError, match=r"the folder is empty; .*PNG.* expected"):
        list_photos(tmp_path)
    _touch(tmp_path, "notes.txt", ".hidden.png")
    with pytest.raises(UserError, match=r"no photo in this folder; .*PNG.* expected"):
        list_photos(tmp_path)


def test_two_files_of_one_stem_are_both_named(tmp_path):
    _touch(tmp_path, "a.jpg", "a.png", "b.png")
    with pytest.raises(UserError, match=r"a\.png: a\.jpg has the same stem; keep one"):
        list_photos(tmp_path)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_become_floats_from_0_to_1(dtype):
    peak = np.iinfo(dtype).max
    floats = to_float(np.array([0, 1, peak], dtype))
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, [0.0, 1.0 / peak, 1.0], rtol=1e-7)


def test_uint8_survives_the_way_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(to_float(levels)), levels)


def test_floats_are_limited_and_rounded_to_the_nearest_level():
    values = np.array([-0.3, 0.4 / 255, 0.6 / 255, 254.6 / 255, 7.0], np.float32)
    np.testing.assert_array_equal(to_uint8(values), [0, 0, 1, 255, 255])


def test_16_bits_become_the_nearest_of_8():
    np.testing.assert_array_equal(to_uint8(np.uint16([0, 128, 129, 65535])), [0, 0, 1, 255])
