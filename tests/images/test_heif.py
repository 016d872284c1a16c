"""HEIC and AVIF, as phones write them; files/README.md says how the HEIC files were made."""

from __future__ import annotations

import io
import pathlib
import sys

import numpy as np
import pytest
from PIL import AvifImagePlugin, Image

from drgn_tf.errors import BadImageError
from drgn_tf.images import colour, heif, opening, photo_files
from drgn_tf.images.image_format import UnsupportedError
from drgn_tf.images.photo_files import PhotoFile

FILES = pathlib.Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def gradient() -> np.ndarray:
    """What the files show, in [0, 1]."""
    y, x = np.mgrid[:48, :64]
    return np.stack([x / 63, y / 47, 1 - x / 63], axis=-1) / 2


def test_a_phones_photo_is_upright_in_its_own_colours(gradient):
    """Turned once: by the pixels, and neither by EXIF nor by XMP again."""
    photo = photo_files.read(FILES / "phone.heic")
    assert photo.pixels.dtype == np.uint8 and photo.orientation == 1
    # Of compression, with halved colours.
    assert np.abs(photo.pixels / 255 - np.rot90(gradient, -1)).max() < 0.03
    assert photo.space is not None and photo.alpha is None and not photo.grey
    result = photo_files.encode(photo.pixels, photo, ".jpg", 95)
    again = photo_files.decode(result)
    assert again.orientation == 1 and again.metadata == photo.metadata
    assert b"tiff:Orientation" not in result and b"night" in result
    with Image.open(io.BytesIO(result)) as image:
        assert image.getexif()[0x010F] == "Phone"
        assert image.getexif().get_ifd(0x8769)[0x829A] == 0.5


def test_10_bits_become_16(gradient):
    photo = photo_files.read(FILES / "deep.heic")
    assert photo.pixels.dtype == np.uint16
    assert np.abs(photo.pixels / 65535 - gradient).max() < 0.03
    # More levels than 8 bits have.
    assert len(np.unique(photo.pixels)) > 300


def test_what_is_missing_is_said(monkeypatch, dark):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(BadImageError) as caught:
        photo_files.read(FILES / "phone.heic")
    assert str(caught.value).endswith(": HEIC needs pi-heif: pip install 'drgn-tf[heic]'")
    avif = photo_files.encode(dark, PhotoFile(dark), ".avif", 95)
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    with pytest.raises(BadImageError, match="AVIF needs a Pillow that has it"):
        photo_files.decode(avif)
    with pytest.raises(BadImageError, match="AVIF needs a Pillow that has it"):
        photo_files.encode(dark, PhotoFile(dark), ".avif", 95)


def test_colours_that_a_file_names_become_a_profile():
    image = Image.new("RGB", (2, 2))
    heif._add_profile(image, 12, 13)
    space = colour.space_of(image.info["icc_profile"])
    # Red of Display P3 lies outside of sRGB.
    assert space.to_srgb(np.array([[[255, 0, 0]]], np.uint8)).tolist() == [[[65535, 0, 0]]]
    for primaries, transfer in ((9, 16), (9, 18), (1, 16), (9, 1)):
        with pytest.raises(UnsupportedError, match="HDR"):
            heif._add_profile(Image.new("RGB", (2, 2)), primaries, transfer)
    assert photo_files.read(FILES / "named.heic").metadata == {
        "icc_profile": image.info["icc_profile"]
    }
    plain = Image.new("RGB", (2, 2))
    heif._add_profile(plain, 1, 13)
    assert not plain.info


def test_hdr_avif_is_named(dark):
    """Its values are no brightness of sRGB; the box of its colours says so."""
    data = photo_files.encode(dark, PhotoFile(dark), ".avif", 95)
    place = data.index(b"colrnclx") + 8
    hdr = data[:place] + b"\0\x09\0\x10" + data[place + 4 :]
    with pytest.raises(BadImageError, match=r"is an HDR picture .*; export it in SDR"):
        photo_files.decode(hdr)
    p3 = data[:place] + b"\0\x0c" + data[place + 2 :]
    assert photo_files.decode(p3).space is not None


@pytest.mark.parametrize("auxiliary", ["urn:com:apple:photo:2020:aux:hdrgainmap", "depth", None])
@pytest.mark.parametrize("brand", [b"tmap", b"miaf"])
def test_gain_maps_are_told_of(auxiliary, brand):
    """As Apple names it, or by the brand of ISO 21496-1."""
    image = Image.new("RGB", (2, 2))
    if auxiliary:
        image.info["aux"] = {auxiliary: [3]}
    file = io.BytesIO(b"\0\0\0\x18ftypheic\0\0\0\0mif1" + brand + b"\0\0\0\x0cmetatmap")
    found = heif._has_gain_map(image, file)
    assert found == (brand == b"tmap" or "gainmap" in (auxiliary or ""))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_avif_keeps_grey_alpha_and_orientation(dark, mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = dark[::-1, :, 1] if mode == "RGBA" else None
    photo = PhotoFile(dark, alpha, mode == "L", {"exif": exif.tobytes()}, 6)
    again = photo_files.decode(photo_files.encode(dark, photo, ".avif", 95))
    assert (again.grey, again.orientation) == (mode == "L", 6)
    assert again.pixels.shape == dark.shape
    if alpha is not None:
        assert np.abs(again.alpha.astype(int) - alpha).mean() < 1


def test_animated_avif_is_refused(dark):
    buffer = io.BytesIO()
    image = Image.fromarray(dark[:64, :64])
    image.save(buffer, "AVIF", save_all=True, append_images=[image.rotate(90)])
    with pytest.raises(BadImageError, match="is animated; save one frame"):
        photo_files.decode(buffer.getvalue())


def test_a_dark_photo_of_few_bytes_is_read_again():
    """24 megapixels of a night sky have some kilobytes; writing takes more memory than reading."""
    night = np.zeros((4000, 6000, 3), np.uint8)
    data = photo_files.encode(night, PhotoFile(night), ".avif", 95)
    with opening.opened_file(io.BytesIO(data), "night.avif") as photo:
        assert photo.needed_bytes == 48 * 4000 * 6000


def test_heic_is_not_written(dark):
    with pytest.raises(BadImageError, match="HEIC is not written; choose another format"):
        photo_files.encode(dark, PhotoFile(dark), ".heic", 95)


def test_a_heic_of_another_size_than_it_says_is_refused():
    """A small photo by its header, and of 100 megapixels inside."""
    data = bytearray((FILES / "deep.heic").read_bytes())
    place = data.index(b"ispe") + 8
    data[place : place + 8] = (16).to_bytes(4, "big") * 2
    with pytest.raises(BadImageError, match="damaged"):
        photo_files.decode(bytes(data))
