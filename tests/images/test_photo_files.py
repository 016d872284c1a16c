"""What a photo file says beside its pixels must survive."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageCms

from drgn_tf.data import BadImageError
from drgn_tf.errors import UserError
from drgn_tf.images import photo_files
from drgn_tf.images.photo_files import PhotoFile
from drgn_tf.images.photos import turned

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@pytest.fixture(scope="module")
def exif() -> bytes:
    tags = Image.Exif()
    tags[0x0112] = 6  # turned
    tags[0x010F] = "Camera"
    tags.get_ifd(0x8769)[0x829A] = 0.5  # exposure time
    tags.get_ifd(0x8825)[1] = "N"  # latitude
    return tags.tobytes()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_metadata_comes_back(tmp_path, dark, exif, ending):
    first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    given = {"exif": exif, "icc_profile": PROFILE, "xmp": XMP}
    photo_files.write(first, dark, PhotoFile(dark, metadata=given), 95)
    photo = photo_files.read(first)
    photo_files.write(second, photo.pixels, photo, 95)
    again = photo_files.read(second)
    assert photo.orientation == again.orientation == 6
    assert photo.metadata == again.metadata
    assert again.metadata["icc_profile"] == PROFILE and again.metadata["xmp"] == XMP
    with Image.open(second) as image:
        assert image.getexif()[0x010F] == "Camera"
        assert image.getexif().get_ifd(0x8769)[0x829A] == 0.5
        assert image.getexif().get_ifd(0x8825)[1] == "N"
    assert np.abs(again.pixels.astype(int) - dark).mean() < 2


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_bytes_are_what_files_hold(tmp_path, dark, exif, ending):
    """A server that gets and sends bytes gives what the same photo as a file gives."""
    path = tmp_path / f"a{ending}"
    photo_files.write(path, dark, PhotoFile(dark, metadata={"exif": exif, "xmp": XMP}), 90)
    photo, decoded = photo_files.read(path), photo_files.decode(path.read_bytes())
    np.testing.assert_array_equal(decoded.pixels, photo.pixels)
    assert decoded.metadata == photo.metadata and decoded.orientation == 6
    encoded = photo_files.encode(decoded.pixels, decoded, ending, 90)
    photo_files.write(path, photo.pixels, photo, 90)
    assert encoded == path.read_bytes()
    with pytest.raises(BadImageError, match=r"^upload 7: is no "):
        photo_files.decode(b"not a photo", "upload 7")
    with pytest.raises(BadImageError, match=r"^the result: BMP cannot hold transparency"):
        photo_files.encode(dark, PhotoFile(dark, alpha=dark[:, :, 0]), ".bmp", 90)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_grey_and_alpha_come_back(tmp_path, dark, exif, mode, dtype):
    pixels = dark if dtype == np.uint8 else dark.astype(np.uint16) * 257 + 1
    grey = mode.startswith("L")
    if grey:
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
    alpha = pixels[:, ::-1, 1] if mode.endswith("A") else None
    photo = PhotoFile(pixels, alpha, grey, {"exif": exif}, 6)
    photo_files.write(tmp_path / "a.png", pixels, photo, 95)
    again = photo_files.read(tmp_path / "a.png")
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.pixels.dtype == dtype
    assert again.orientation == 6
    # OpenCV knows no grey with alpha; the colours are grey all the same.
    assert again.grey == (grey and not (alpha is not None and dtype == np.uint16))
    if alpha is not None:
        np.testing.assert_array_equal(again.alpha, alpha)


def test_a_palette_becomes_colour(tmp_path, dark):
    Image.fromarray(dark).quantize(64).save(tmp_path / "a.png")
    photo = photo_files.read(tmp_path / "a.png")
    assert photo.pixels.shape == dark.shape and not photo.grey and photo.alpha is None


def test_the_preview_inside_the_exif_data_is_left_out(tmp_path, dark):
    tags = Image.Exif()
    tags[0x010F] = "Camera"
    # A second directory with a preview, as cameras write: offsets 0x0201 and 0x0202.
    tags.get_ifd(0x0201)
    preview = b"\xff\xd8 a preview \xff\xd9"
    Image.fromarray(dark).save(tmp_path / "a.jpg", exif=_with_preview(tags.tobytes(), preview))
    assert preview in (tmp_path / "a.jpg").read_bytes()
    photo = photo_files.read(tmp_path / "a.jpg")
    photo_files.write(tmp_path / "b.jpg", photo.pixels, photo, 95)
    assert preview not in (tmp_path / "b.jpg").read_bytes()
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[0x010F] == "Camera"


def _with_preview(exif: bytes, preview: bytes) -> bytes:
    """Appends a second directory that points to a preview behind it."""
    body = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = "little" if body[:2] == b"II" else "big"
    first = int.from_bytes(body[4:8], order)
    entries = int.from_bytes(body[first : first + 2], order)
    link, start = first + 2 + 12 * entries, len(body)
    body[link : link + 4] = start.to_bytes(4, order)
    body += (2).to_bytes(2, order)
    for tag, value in ((0x0201, start + 30), (0x0202, len(preview))):
        body += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order)
        body += value.to_bytes(4, order)
    return b"Exif\0\0" + bytes(body) + bytes(4) + preview


@pytest.mark.parametrize("ending", [".jpg", ".bmp"])
def test_transparency_is_not_lost_silently(tmp_path, dark, ending):
    photo = PhotoFile(dark, alpha=dark[:, :, 0])
    with pytest.raises(BadImageError, match="cannot hold transparency; choose PNG or WebP"):
        photo_files.write(tmp_path / f"a{ending}", dark, photo, 95)
    assert not list(tmp_path.iterdir())


def test_16_bits_become_8_where_the_format_has_no_more(tmp_path, dark):
    deep = dark.astype(np.uint16) * 257
    photo_files.write(tmp_path / "a.bmp", deep, PhotoFile(deep), 95)
    np.testing.assert_array_equal(photo_files.read(tmp_path / "a.bmp").pixels, dark)


def test_bmp_cannot_say_how_it_is_rotated_and_is_written_upright(tmp_path, dark):
    for orientation in range(1, 9):
        photo = PhotoFile(dark, orientation=orientation)
        photo_files.write(tmp_path / "a.bmp", dark, photo, 95)
        again = photo_files.read(tmp_path / "a.bmp")
        assert again.orientation == 1
        np.testing.assert_array_equal(again.pixels, turned(dark, orientation))


def test_cmyk_becomes_srgb(tmp_path, dark):
    """Without a profile by arithmetic: white without the inks, times white without the black."""
    inks = Image.fromarray(dark).convert("CMYK")
    inks.putdata([(30, 60, 90, 51)] * (inks.width * inks.height))
    inks.save(tmp_path / "a.jpg", quality=95)
    photo = photo_files.read(tmp_path / "a.jpg")
    # Of 255: (255 - 30) * (255 - 51) / 255, and so on.
    np.testing.assert_allclose(photo.pixels[9, 9], [180, 156, 132], atol=2)
    photo_files.write(tmp_path / "b.jpg", photo.pixels, photo, 95)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.mode == "RGB"


def test_a_folder_that_went_away_is_named(tmp_path, dark):
    with pytest.raises(UserError, match="No such file or directory"):
        photo_files.write(tmp_path / "gone" / "a.png", dark, PhotoFile(dark), 95)


def test_the_quality_is_the_users(tmp_path, dark):
    sizes = []
    for quality in (30, 95):
        photo_files.write(tmp_path / "a.jpg", dark, PhotoFile(dark), quality)
        sizes.append((tmp_path / "a.jpg").stat().st_size)
    assert sizes[0] < sizes[1] / 3


def test_an_unknown_orientation_counts_as_upright(tmp_path, dark):
    tags = Image.Exif()
    tags[0x0112] = 77
    Image.fromarray(dark).save(tmp_path / "a.png", exif=tags.tobytes())
    assert dataclasses.replace(photo_files.read(tmp_path / "a.png")).orientation == 1
