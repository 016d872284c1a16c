"""Files and folders in, files and folders out."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
from PIL import Image

from drgn_tf.data import BadImageError
from drgn_tf.errors import UserError
from drgn_tf.inference.batch import Job, OutputOptions, enhance_file, find_jobs


@pytest.fixture
def tree(tmp_path, dark):
    """A folder of photos with folders in it."""
    small = Image.fromarray(dark[:40, :60])
    for name in ("in/a.jpg", "in/sub/b.PNG", "in/sub/写真 ж.webp", "in/.hidden.png", "other/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        small.save(tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("no photo")
    return tmp_path


def targets(jobs: list[Job], folder) -> list[str]:
    return sorted(job.target.relative_to(folder.resolve()).as_posix() for job in jobs)


def test_a_folder_keeps_its_tree(tree):
    jobs, complaints = find_jobs([str(tree / "in")], tree / "out")
    assert targets(jobs, tree / "out") == ["a.jpg", "sub/b.PNG", "sub/写真 ж.webp"]
    assert not complaints
    jobs, _ = find_jobs([str(tree / "in")], tree / "out", ".png")
    assert targets(jobs, tree / "out") == ["a.png", "sub/b.png", "sub/写真 ж.png"]


def test_globs_are_expanded(tree):
    jobs, _ = find_jobs([str(tree / "in" / "**" / "*.webp")], tree / "out")
    assert targets(jobs, tree / "out") == ["写真 ж.webp"]


def test_results_inside_the_folder_are_no_photos(tree):
    (tree / "in/out").mkdir()
    Image.new("RGB", (20, 20)).save(tree / "in/out/a.jpg")
    jobs, _ = find_jobs([str(tree / "in")], tree / "in/out")
    assert targets(jobs, tree / "in/out") == ["a.jpg", "sub/b.PNG", "sub/写真 ж.webp"]


def test_what_cannot_be_done_is_said_and_the_rest_is_done(tree):
    (tree / "empty").mkdir()
    given = [tree / "in" / "a.jpg", tree / "other" / "a.jpg", tree / "in" / "notes.txt",
             tree / "gone.jpg", tree / "empty"]  # fmt: skip
    jobs, complaints = find_jobs(map(str, given), tree / "out")
    assert targets(jobs, tree / "out") == ["a.jpg"]
    for said in ("would replace that of", "is no photo or video", "no such file", "in this folder"):
        assert sum(said in line for line in complaints) == 1
    assert len(complaints) == 4
    jobs, complaints = find_jobs([str(tree / "in" / "a.jpg")], tree / "in")
    assert not jobs and "would be replaced" in complaints[0]


def test_a_photo_given_twice_is_enhanced_once(tree):
    photo = str(tree / "in" / "a.jpg")
    jobs, complaints = find_jobs([photo, photo], tree / "out")
    assert len(jobs) == 1 and not complaints


def test_the_photo_is_enhanced_as_its_pixels_are(tmp_path, dark, enhancer):
    Image.fromarray(dark).save(tmp_path / "a.png")
    enhance_file(enhancer, Job(tmp_path / "a.png", tmp_path / "out/sub/a.png"))
    np.testing.assert_array_equal(Image.open(tmp_path / "out/sub/a.png"), enhancer(dark))


def test_comparisons_are_upright_and_beside(tmp_path, dark, enhancer):
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(dark).save(tmp_path / "a.png", exif=tags.tobytes())
    job = Job(tmp_path / "a.png", tmp_path / "out/a.png")
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
