"""Files and folders in, files and folders out."""

from __future__ import annotations

import errno
import io
import os

import numpy as np
import pytest
from PIL import Image, ImageCms

from drgn_tf.data import BadImageError
from drgn_tf.errors import UserError
from drgn_tf.images import colour
from drgn_tf.inference.batch import Job, OutputOptions, enhance_file, needed_memory


def test_the_photo_is_enhanced_as_its_pixels_are(tmp_path, dark, enhancer):
    Image.fromarray(dark).save(tmp_path / "a.png")
    enhance_file(enhancer, Job(tmp_path / "a.png", tmp_path / "out/sub/a.png"))
    np.testing.assert_array_equal(Image.open(tmp_path / "out/sub/a.png"), enhancer(dark))


def test_a_photo_in_display_p3_keeps_its_profile_and_its_colours(tmp_path, dark, enhancer):
    """The network gets sRGB; other programs find the same colours in the result."""
    dark = dark + np.uint8(40)
    profile = colour.matrix_profile("Display P3", colour.DISPLAY_P3)
    Image.fromarray(dark).save(tmp_path / "a.png", icc_profile=profile)
    job = Job(tmp_path / "a.png", tmp_path / "out/a.png", tmp_path / "out/a_compare.png")
    enhance_file(enhancer, job, OutputOptions(compare=True, brightness=0.4))
    with Image.open(job.target) as result:
        assert result.info["icc_profile"] == profile
        shown = np.asarray(_in_srgb(result, profile)).astype(float)
    expected = enhancer(np.asarray(_in_srgb(Image.fromarray(dark), profile)), brightness=0.4)
    # LittleCMS rounds both to 8 bits, so does the result: each is off by half a level, not on
    # the average.
    assert np.abs((shown - expected).mean((0, 1))).max() < 0.5
    assert np.abs(shown - expected).mean() < 1.5
    with Image.open(job.comparison) as comparison:
        assert "icc_profile" not in comparison.info
        difference = np.asarray(comparison)[:, dark.shape[1] :] - shown
        assert np.abs(difference.mean((0, 1))).max() < 0.5


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    return ImageCms.profileToProfile(
        image, io.BytesIO(profile), ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip


def test_memory_is_counted_by_depth_profile_and_encoder(tmp_path, dark):
    """Photos that are enhanced at once must fit together."""
    profile = colour.matrix_profile("Display P3", colour.DISPLAY_P3)
    Image.fromarray(dark).save(tmp_path / "a.jpg")
    Image.fromarray(dark).save(tmp_path / "b.jpg", icc_profile=profile)
    for name, target, expected in (
        ("a.jpg", "a.jpg", 16), ("a.jpg", "a.avif", 48), ("b.jpg", "b.jpg", 28),
        ("gone.jpg", "gone.jpg", 0),
    ):  # fmt: skip
        job = Job(tmp_path / name, tmp_path / "out" / target)
        assert needed_memory(job) == expected * dark.shape[0] * dark.shape[1]


def test_comparisons_are_upright_and_beside(tmp_path, dark, enhancer):
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(dark).save(tmp_path / "a.png", exif=tags.tobytes())
    out = tmp_path / "out"
    job = Job(tmp_path / "a.png", out / "a.png", out / "a_compare.png")
    enhance_file(enhancer, job, OutputOptions(compare=True))
    height, width = dark.shape[:2]
    with Image.open(tmp_path / "out/a_compare.png") as image:
        assert image.size == (2 * height, width)
        assert 0x0112 not in image.getexif()
        np.testing.assert_array_equal(np.asarray(image)[:, :height], np.rot90(dark, -1))
    enhance_file(enhancer, job, OutputOptions(stages=True))
    with Image.open(tmp_path / "out/a_compare.png") as image:
        assert image.size == (4 * height, width)


def test_grey_stays_grey(tmp_path, dark, enhancer):
    Image.fromarray(dark).convert("L").save(tmp_path / "a.jpg")
    enhance_file(enhancer, Job(tmp_path / "a.jpg", tmp_path / "out/a.jpg"))
    with Image.open(tmp_path / "out/a.jpg") as image:
        assert image.mode == "L" and image.size == dark.shape[1::-1]


def test_a_failure_leaves_no_file(tmp_path, dark, enhancer):
    data = tmp_path / "a.jpg"
    Image.fromarray(dark).save(data)
    data.write_bytes(data.read_bytes()[:3000])
    with pytest.raises(BadImageError, match="is damaged"):
        enhance_file(enhancer, Job(data, tmp_path / "out/a.jpg"))
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_said_and_leaves_no_file(tmp_path, dark, enhancer, monkeypatch):
    Image.fromarray(dark[:20, :20]).save(tmp_path / "a.png")
    job = Job(tmp_path / "a.png", tmp_path / "out/a.png")

    def full(self, data):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(UserError, match=r"a\.png: .*No space left on device.*make room"):
        enhance_file(enhancer, job)
    assert not list((tmp_path / "out").iterdir())


def test_an_output_folder_that_cannot_be_made_is_one_line(tmp_path, dark, enhancer):
    Image.fromarray(dark[:20, :20]).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: cannot be made \(.*exists"):
        enhance_file(enhancer, Job(tmp_path / "a.png", tmp_path / "a.png" / "b.png"))
    with pytest.raises(UserError, match=r"cannot be made \(File name too long"):
        enhance_file(enhancer, Job(tmp_path / "a.png", tmp_path / ("x" * 300) / "b.png"))


def test_the_largest_photo_is_the_users(tmp_path, dark, enhancer):
    Image.fromarray(dark).save(tmp_path / "a.png")
    job = Job(tmp_path / "a.png", tmp_path / "out/a.png")
    with pytest.raises(BadImageError, match=r"451x300 pixels .* limit of 0\.1 megapixels"):
        enhance_file(enhancer, job, OutputOptions(max_megapixels=0.1))


def test_a_name_at_the_limit_of_the_file_system_is_written(tmp_path, dark, enhancer):
    name = "n" * 251 + ".png"
    Image.fromarray(dark[:20, :20]).save(tmp_path / name)
    enhance_file(enhancer, Job(tmp_path / name, tmp_path / "out" / name))
    assert os.listdir(tmp_path / "out") == [name]
