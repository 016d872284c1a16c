"""What a photo file says beside its pixels must survive."""

from __future__ import annotations

import dataclasses
import io
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from drgn_tf.data import BadImageError
from drgn_tf.errors import UserError
from drgn_tf.images import colour, photo_files
from drgn_tf.images.photo_files import PhotoFile
from drgn_tf.images.photos import turned
from tests.photo_makers import ultra_hdr, ycck

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = colour.matrix_profile("Display P3", colour.DISPLAY_P3)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@pytest.fixture(scope="module")
def exif() -> bytes:
    tags = Image.Exif()
    tags[0x0112] = 6  # turned
    tags[0x010F] = "Camera"
    tags.get_ifd(0x8769)[0x829A] = 0.5  # exposure time
    tags.get_ifd(0x8825)[1] = "N"  # latitude
    return tags.tobytes()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".avif"])
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
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_depth_grey_and_alpha_come_back(tmp_path, dark, exif, mode, dtype, ending):
    pixels = dark if dtype == np.uint8 else dark.astype(np.uint16) * 257 + 1
    grey = mode.startswith("L")
    if grey:
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
    alpha = pixels[:, ::-1, 1] if mode.endswith("A") else None
    # TIFF is read upright.
    photo = PhotoFile(pixels, alpha, grey, {"exif": exif} if ending == ".png" else {}, 6)
    photo_files.write(tmp_path / f"a{ending}", pixels, photo, 95)
    again = photo_files.read(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.pixels.dtype == dtype
    assert again.orientation == (6 if ending == ".png" else 1)
    # OpenCV knows no grey with alpha; the colours are grey all the same.
    assert again.grey == (grey and not (alpha is not None and dtype == np.uint16))
    if alpha is not None:
        np.testing.assert_array_equal(again.alpha, alpha)


def test_a_palette_becomes_colour(tmp_path, dark):
    Image.fromarray(dark).quantize(64).save(tmp_path / "a.png")
    photo = photo_files.read(tmp_path / "a.png")
    assert photo.pixels.shape == dark.shape and not photo.grey and photo.alpha is None


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".avif"])
def test_the_preview_inside_the_exif_data_is_made_anew(tmp_path, dark, ending):
    tags = Image.Exif()
    tags[0x010F] = "Camera"
    # A second directory with a preview, as cameras write: offsets 0x0201 and 0x0202.
    preview = b"\xff\xd8 a preview \xff\xd9"
    Image.fromarray(dark).save(tmp_path / "a.jpg", exif=_with_preview(tags.tobytes(), preview))
    assert preview in (tmp_path / "a.jpg").read_bytes()
    photo = photo_files.read(tmp_path / "a.jpg")
    result = tmp_path / f"b{ending}"
    photo_files.write(result, photo.pixels[::-1] + 50, photo, 95)
    assert preview not in result.read_bytes()
    with Image.open(result) as image:
        exif = image.getexif()
        assert exif[0x010F] == "Camera"
        second = exif.get_ifd(ExifTags.IFD.IFD1)
        start, size = second[0x0201], second[0x0202]
        whole = image.info["exif"].removeprefix(b"Exif\0\0")
    with Image.open(io.BytesIO(whole[start : start + size])) as small:
        assert small.size == (160, 106)
        expected = Image.fromarray(photo.pixels[::-1] + 50).resize(small.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(small).astype(int) - expected).mean() < 4


def test_a_photo_without_a_preview_gets_none(tmp_path, dark, exif):
    Image.fromarray(dark).save(tmp_path / "a.jpg", exif=exif)
    photo = photo_files.read(tmp_path / "a.jpg")
    encoded = photo_files.encode(photo.pixels, photo, ".jpg", 95)
    assert encoded.count(b"\xff\xd8\xff") == 1


def test_a_preview_that_does_not_fit_is_left_out(dark):
    """A segment of JPEG holds 64 KiB; maker notes may take most of it."""
    notes = Image.Exif()
    notes.get_ifd(0x8769)[0x927C] = bytes(64000)
    photo = PhotoFile(dark, metadata={"exif": notes.tobytes()}, preview=True)
    again = photo_files.decode(photo_files.encode(dark, photo, ".jpg", 95))
    assert not again.preview and again.metadata == photo.metadata


def test_gain_maps_are_told_of_and_left_out(dark):
    data = ultra_hdr(dark)
    photo = photo_files.decode(data)
    assert photo.gain_map
    result = photo_files.encode(photo.pixels, photo, ".jpg", 95)
    assert not photo_files.decode(result).gain_map
    # Viewers would look for it.
    assert b"hdrgm:Version" not in result and b"Container:Directory" not in result
    assert b'dc:source="phone"' in result
    xml.etree.ElementTree.fromstring(photo.metadata["xmp"])
    assert not photo_files.decode(photo_files.encode(dark, PhotoFile(dark), ".jpg", 95)).gain_map


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


@pytest.mark.parametrize("kind", ["Adobe", "no marker", "YCCK", "TIFF"])
def test_cmyk_becomes_srgb(tmp_path, kind):
    inks = np.full((32, 48, 4), [30, 60, 90, 51], np.uint8)
    image = Image.frombytes("CMYK", (48, 32), inks.tobytes())
    image.save(tmp_path / "a", "TIFF" if kind == "TIFF" else "JPEG", quality=98)
    data = (tmp_path / "a").read_bytes()
    if kind == "YCCK":
        data = ycck(inks)
    elif kind == "no marker":
        # Without Adobe's marker samples are inks, with it they are what is left of white.
        Image.frombytes("CMYK", (48, 32), (255 - inks).tobytes()).save(tmp_path / "a", "JPEG")
        data = (tmp_path / "a").read_bytes().replace(b"\xff\xeeAdobe"[2:], b"Other")
    photo = photo_files.decode(data)
    # Of 255, without a profile: (255 - 30) * (255 - 51) / 255, and so on.
    np.testing.assert_allclose(photo.pixels[9, 9], [180, 156, 132], atol=3)
    assert photo.metadata == {} and not photo.grey


def test_bmp_has_no_profile_and_gets_srgb(dark):
    photo = PhotoFile(dark, metadata={"icc_profile": P3})
    again = photo_files.decode(photo_files.encode(dark, photo, ".bmp", 95))
    expected = np.round(photo.in_srgb() / 257)
    np.testing.assert_array_equal(again.pixels, expected)
    assert np.abs(expected - dark).max() > 5


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
