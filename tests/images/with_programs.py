"""Photos of other programs in, and what they find in the results: `make test-formats`.

Needs ImageMagick (convert), libheif (heif-enc), libavif (avifenc), ExifTool, LittleCMS (transicc,
jpgicc) and the profiles of Ghostscript: Debian's packages imagemagick, libheif-examples,
libavif-bin, libimage-exiftool-perl, liblcms2-utils and libgs-common.
"""

from __future__ import annotations

import io
import json
import pathlib
import subprocess

import cv2
import numpy as np
import pytest
from PIL import Image

from drgn_tf.errors import BadImageError
from drgn_tf.images import colour, photo_files
from drgn_tf.images.photo_files import PhotoFile
from drgn_tf.images.photos import turned

PROFILES = pathlib.Path("/usr/share/color/icc/ghostscript")
P3 = colour.matrix_profile("Display P3", colour.DISPLAY_P3)


@pytest.fixture
def run(tmp_path):
    """Runs a program in a folder; returns what it printed."""

    def run(*arguments: object, given: str = "") -> str:
        process = subprocess.run(
            [*map(str, arguments)], cwd=tmp_path, input=given, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process.stdout

    return run


@pytest.fixture
def tags(run):
    """Returns the metadata of a file, by ExifTool."""

    def tags(name: str) -> dict[str, object]:
        (found,) = json.loads(run("exiftool", "-json", "-n", name))
        assert "Error" not in found and "Warning" not in found, found
        return found

    return tags


@pytest.fixture(scope="module")
def deep(dark) -> np.ndarray:
    """The photo with all of 16 bits in use."""
    noise = np.random.default_rng(0).integers(0, 257, dark.shape, np.uint16)
    return dark.astype(np.uint16) * 255 + noise


def write_png(path: pathlib.Path, pixels: np.ndarray) -> None:
    assert cv2.imwrite(str(path), pixels[:, :, ::-1] if pixels.ndim == 3 else pixels)


def read_png(path: pathlib.Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, ::-1]


OPTIONS = {
    "plain": ["-compress", "None"],
    "lzw": ["-compress", "LZW"],
    "deflate": ["-compress", "Zip"],
    "packbits": ["-compress", "RLE"],
    "big-endian": ["-endian", "MSB"],
    "tiles": ["-define", "tiff:tile-geometry=64x64"],
    "strips": ["-define", "tiff:rows-per-strip=7"],
    "turned": ["-orient", "RightTop"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_tiff_of_imagemagick_is_read_exactly(run, tmp_path, dark, deep, name):
    for pixels in (dark, deep, deep[:, :, 0]):
        write_png(tmp_path / "a.png", pixels)
        run("convert", "a.png", *OPTIONS[name], "a.tif")
        photo = photo_files.read(tmp_path / "a.tif")
        expected = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, np.newaxis], 3, axis=2)
        np.testing.assert_array_equal(photo.pixels, turned(expected, 6 if name == "turned" else 1))
        assert photo.pixels.dtype == pixels.dtype and photo.grey == (pixels.ndim == 2)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_imagemagick_reads_results_of_16_bits_exactly(run, tmp_path, deep, suffix):
    photo_files.write(tmp_path / f"a{suffix}", deep, PhotoFile(deep), 95)
    run("convert", f"a{suffix}", "png48:b.png")
    np.testing.assert_array_equal(read_png(tmp_path / "b.png"), deep)


def test_inks_of_imagemagick_become_the_same_colours(run, tmp_path, dark):
    """Without a profile both take ideal inks; without Adobe's marker they are not inverted."""
    write_png(tmp_path / "a.png", dark)
    run("convert", "a.png", "-colorspace", "CMYK", "-quality", "98", "a.jpg")
    run("convert", "a.png", "-colorspace", "CMYK", "a.tif")
    for name in ("a.jpg", "a.tif"):
        found = photo_files.read(tmp_path / name).pixels
        run("convert", name, "-colorspace", "sRGB", "png24:b.png")
        expected = read_png(tmp_path / "b.png")
        assert np.abs(found.astype(int) - expected).mean() < 1
        assert np.abs(expected.astype(int) - dark).mean() < 3


def test_a_profile_of_inks_gives_the_colours_of_littlecms(run, tmp_path, dark):
    """As jpgicc converts them: relative to white, black to black."""
    write_png(tmp_path / "a.png", dark)
    (tmp_path / "srgb.icc").write_bytes(colour.matrix_profile("sRGB", colour.SRGB))
    run(
        "convert",
        "a.png",
        "-profile",
        "srgb.icc",
        "-profile",
        PROFILES / "default_cmyk.icc",
        "-quality",
        98,
        "a.jpg",
    )
    photo = photo_files.read(tmp_path / "a.jpg")
    run("jpgicc", "-t1", "-b", "-q98", "a.jpg", "b.jpg")
    expected = np.asarray(Image.open(tmp_path / "b.jpg").convert("RGB")).astype(int)
    # Two JPEG files, one with halved colours.
    assert np.abs(photo.pixels - expected).mean() < 2
    assert np.abs((photo.pixels - expected).mean((0, 1))).max() < 1
    assert "icc_profile" not in photo.metadata


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_heic_of_libheif(run, tmp_path, dark, deep, bits):
    write_png(tmp_path / "a.png", dark if bits == 8 else deep)
    depth = [] if bits == 8 else ["-b", bits]
    run("heif-enc", "-q", 98, *depth, "a.png", "-o", "a.heic")
    photo = photo_files.read(tmp_path / "a.heic")
    pixels = photo.pixels / (1 if bits == 8 else 257)
    assert photo.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    # Of compression, with halved resolution of colours.
    assert np.abs(pixels - dark).mean() < 2
    assert np.abs(pixels.mean((0, 1)) - dark.mean((0, 1))).max() < 0.75


def test_colours_that_avifenc_names_are_understood(run, tmp_path, dark):
    """By numbers of ITU-T H.273, without an ICC profile."""
    write_png(tmp_path / "a.png", dark)
    for named, space in (("1/13/6", False), ("12/13/6", True)):
        run("avifenc", "--cicp", named, "a.png", "a.avif")
        assert (photo_files.read(tmp_path / "a.avif").space is not None) == space
    run("avifenc", "--cicp", "9/16/9", "a.png", "a.avif")
    with pytest.raises(BadImageError, match="is an HDR picture"):
        photo_files.read(tmp_path / "a.avif")


def test_avif_goes_both_ways(run, tmp_path, dark):
    write_png(tmp_path / "a.png", dark)
    run("heif-enc", "-A", "-q", 95, "a.png", "-o", "a.avif")
    assert np.abs(photo_files.read(tmp_path / "a.avif").pixels.astype(int) - dark).mean() < 2
    photo_files.write(tmp_path / "b.avif", dark, PhotoFile(dark), 95)
    run("heif-convert", "b.avif", "b.png")
    assert np.abs(read_png(tmp_path / "b.png").astype(int) - dark).mean() < 2


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_exiftool_finds_what_the_photo_had(run, tags, tmp_path, dark, suffix):
    Image.fromarray(dark).save(tmp_path / "a.jpg", quality=95, icc_profile=P3)
    Image.fromarray(dark).resize((160, 106)).save(tmp_path / "small.jpg")
    run(
        "exiftool", "-q", "-overwrite_original", "-Orientation#=6", "-Make=Phone", "-Model=One",
        "-ExposureTime=0.5", "-GPSLatitude=48.25", "-GPSLatitudeRef=N", "-XMP-dc:Title=night ж",
        "-Artist=Somebody", "-ThumbnailImage<=small.jpg", "a.jpg",
    )  # fmt: skip
    photo = photo_files.read(tmp_path / "a.jpg")
    result = f"b{suffix}"
    photo_files.write(tmp_path / result, photo.pixels, photo, 95)
    before, after = tags("a.jpg"), tags(result)
    for name in ("Make", "Model", "ExposureTime", "GPSLatitude", "Title", "Artist",
                 "ProfileDescription", "ImageSize"):  # fmt: skip
        assert after[name] == before[name], name
    # AVIF turns by a property of its own, counted against the clock.
    if suffix == ".avif":
        assert after["Rotation"] == 270 and "Orientation" not in after
    else:
        assert after["Orientation"] == 6
    assert ("ThumbnailImage" in after) == (suffix not in (".tif", ".avif"))


def test_the_preview_that_exiftool_finds_is_of_the_result(run, tmp_path, dark):
    Image.fromarray(dark).resize((160, 106)).save(tmp_path / "small.jpg")
    Image.fromarray(dark).save(tmp_path / "a.jpg")
    run("exiftool", "-q", "-overwrite_original", "-ThumbnailImage<=small.jpg", "a.jpg")
    photo = photo_files.read(tmp_path / "a.jpg")
    photo_files.write(tmp_path / "b.jpg", np.full_like(dark, 200), photo, 95)
    found = subprocess.run(
        ["exiftool", "-b", "-ThumbnailImage", "b.jpg"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    with Image.open(io.BytesIO(found)) as preview:
        assert np.abs(np.asarray(preview).astype(int) - 200).max() <= 2


@pytest.mark.parametrize("name", ["Display P3", "a98.icc", "rommrgb.icc"])
def test_transicc_finds_the_same_colours(run, tmp_path, name):
    """LittleCMS converts colours one by one, in floats."""
    profile = P3 if name == "Display P3" else (PROFILES / name).read_bytes()
    (tmp_path / "a.icc").write_bytes(profile)
    # Most of them inside of sRGB; it prints the others as they would be.
    colours = np.random.default_rng(0).integers(80, 170, (40, 3), np.uint8)
    lines = "".join(f"{red} {green} {blue}\n" for red, green, blue in colours)
    output = run("transicc", "-n", "-t1", "-ia.icc", "-o*sRGB", given=lines)
    expected = np.array([line.split() for line in output.splitlines() if line.strip()], float)
    found = colour.space_of(profile).to_srgb(colours[np.newaxis])[0] / 257
    # Both work with 16 bits, and transicc prints four digits.
    assert np.abs(found - np.clip(expected, 0, 255)).max() < 0.05


def test_profiles_that_are_called_srgb_are_srgb():
    for name in ("srgb.icc", "default_rgb.icc"):
        assert colour.space_of((PROFILES / name).read_bytes()) is None, name


def test_an_untouched_p3_photo_looks_the_same_to_imagemagick(run, tmp_path, dark):
    bright = dark + np.uint8(60)
    photo = PhotoFile(bright, metadata={"icc_profile": P3})
    back = photo.out_of_srgb(photo.in_srgb())
    for name, pixels in (("a.png", bright), ("b.png", back)):
        photo_files.write(tmp_path / name, pixels, photo, 95)
        (tmp_path / "srgb.icc").write_bytes(colour.matrix_profile("sRGB", colour.SRGB))
        run("convert", name, "-profile", "srgb.icc", f"shown_{name}")
    first, second = (read_png(tmp_path / f"shown_{name}") for name in ("a.png", "b.png"))
    np.testing.assert_array_equal(first, second)
    # It does take the profile into account.
    assert np.abs(first.astype(int) - bright).max() > 5
