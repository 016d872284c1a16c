"""What a run would read and write, and what it refuses before it begins."""

from __future__ import annotations

import errno
import os

import pytest
from PIL import Image

from drgn_tf.inference import plan as plan_module
from drgn_tf.inference.plan import Job, Plan, missing_results, plan_jobs


@pytest.fixture
def tree(tmp_path):
    """A folder of photos with folders in it."""
    names = ("in/a.jpg", "in/sub/b.PNG", "in/sub/写真 ж.webp", "in/.hidden.png", "other/a.jpg")
    for name in (*names, "in/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"planned, not read")
    (tmp_path / "out").mkdir()
    return tmp_path


def targets(plan: Plan, folder) -> list[str]:
    return sorted(job.target.relative_to(folder.resolve()).as_posix() for job in plan.jobs)


def refused(plan: Plan, *parts: str) -> None:
    """Asserts that there is one conflict, which says all this in one line."""
    (line,) = plan.conflicts
    assert all(part in line for part in parts), line
    assert "\n" not in line


def test_a_folder_keeps_its_tree(tree):
    plan = plan_jobs([str(tree / "in")], tree / "out")
    assert targets(plan, tree / "out") == ["a.jpg", "sub/b.PNG", "sub/写真 ж.webp"]
    assert not plan.complaints and not plan.conflicts
    plan = plan_jobs([str(tree / "in")], tree / "out", ".png")
    assert targets(plan, tree / "out") == ["a.png", "sub/b.png", "sub/写真 ж.png"]


def test_what_is_only_read_is_written_as_something_else(tree):
    for name in ("a.heic", "b.DNG", "c.tif", "d.avif"):
        (tree / "in/sub" / name).write_bytes(b"planned, not read")
    plan = plan_jobs([str(tree / "in/sub")], tree / "out", comparisons=True)
    assert targets(plan, tree / "out")[:4] == ["a.jpg", "b.PNG", "b.png", "c.tif"]
    refused(plan_jobs([str(tree / "in/sub"), str(tree / "in/a.jpg")], tree / "out"), "a.heic")


def test_photos_with_results_belong_to_the_series(tree):
    (tree / "out/a.jpg").write_bytes(b"done")
    plan = plan_jobs([str(tree / "in")], tree / "out", exposures=(0.0,))
    assert [job.source.name for job in plan.jobs] == ["b.PNG", "写真 ж.webp"]
    assert [job.source.name for job in plan.photos] == ["a.jpg", "b.PNG", "写真 ж.webp"]


def test_globs_are_expanded(tree):
    plan = plan_jobs([str(tree / "in" / "**" / "*.webp")], tree / "out")
    assert targets(plan, tree / "out") == ["写真 ж.webp"]


def test_results_inside_the_folder_are_no_photos(tree):
    (tree / "in/out").mkdir()
    Image.new("RGB", (20, 20)).save(tree / "in/out/old.jpg")
    plan = plan_jobs([str(tree / "in")], tree / "in/out")
    assert targets(plan, tree / "in/out") == ["a.jpg", "sub/b.PNG", "sub/写真 ж.webp"]


def test_what_cannot_be_done_is_said_and_the_rest_is_done(tree):
    (tree / "empty").mkdir()
    (tree / "loop.jpg").symlink_to(tree / "loop.jpg")
    given = [tree / "in" / "a.jpg", tree / "in" / "notes.txt", tree / "gone.jpg", tree / "empty",
             tree / "loop.jpg", tree / ("x" * 300 + ".jpg")]  # fmt: skip
    plan = plan_jobs(map(str, given), tree / "out")
    assert targets(plan, tree / "out") == ["a.jpg"]
    for said in ("is no photo or video", "no such file", "in this folder", "levels of symbolic",
                 "name too long"):  # fmt: skip
        assert sum(said in line for line in plan.complaints) == 1, plan.complaints
    assert len(plan.complaints) == 5


def test_unreadable_folders_are_said(tree, monkeypatch):
    # Not by their modes, which stop no administrator.
    def denied(function, place):
        def call(path, *args, **kwargs):
            if str(path) == str(place):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path, *args, **kwargs)

        return call

    for given in ("in", "in/**/*.jpg"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", denied(os.scandir, tree / "in" / "sub"))
            plan = plan_jobs([str(tree / given)], tree / "out")
        assert targets(plan, tree / "out") == ["a.jpg"]
        (line,) = plan.complaints
        assert line.startswith(f"{tree / 'in' / 'sub'}: cannot be read (Permission denied); check")
    closed = tree / "in" / "a.jpg"
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", denied(os.stat, closed))
        plan = plan_jobs([str(closed)], tree / "out")
    assert not plan.jobs and "Permission denied" in plan.complaints[0]


def test_a_photo_given_twice_is_enhanced_once(tree):
    photo = str(tree / "in" / "a.jpg")
    plan = plan_jobs([photo, photo, str(tree / "in" / "sub" / ".." / "a.jpg")], tree / "out")
    assert len(plan.jobs) == 1 and not plan.complaints and not plan.conflicts


def test_two_photos_never_have_one_result(tree):
    given = [str(tree / "in" / "a.jpg"), str(tree / "other" / "a.jpg")]
    refused(plan_jobs(given, tree / "out"), "other/a.jpg", "would replace that of", "in/a.jpg")
    (tree / "in" / "a.png").write_bytes(b"")
    refused(plan_jobs([str(tree / "in")], tree / "out", ".png"), "a.png", "a.jpg")
    # Whether they exist already or not.
    (tree / "out" / "a.jpg").write_bytes(b"")
    assert plan_jobs(given, tree / "out").conflicts


def test_names_that_differ_in_case_are_one_where_the_disk_says_so(tree, monkeypatch):
    (tree / "in" / "A.JPG").write_bytes(b"")
    assert len(plan_jobs([str(tree / "in")], tree / "out").jobs) == 4
    monkeypatch.setattr(plan_module, "ignores_case", lambda folder: True)
    refused(plan_jobs([str(tree / "in")], tree / "out"), "A.JPG", "a.jpg", "would replace that of")


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_input_is_replaced(tree, overwrite):
    def plan(*given, output_dir):
        return plan_jobs([str(tree / name) for name in given], output_dir, overwrite=overwrite)

    refused(plan("in/a.jpg", output_dir=tree / "in"), "in/a.jpg: its result", "the input")
    assert plan("in", output_dir=tree / "in").conflicts
    # By a link to the folder, and by a folder of links inside the output folder.
    (tree / "link").symlink_to(tree / "in")
    refused(plan("in/a.jpg", output_dir=tree / "link"), "the input")
    (tree / "out" / "sub").symlink_to(tree / "in" / "sub")
    assert len(plan("in", output_dir=tree / "out").conflicts) == 2


def test_comparisons_replace_nothing(tree):
    (tree / "in" / "a_compare.jpg").write_bytes(b"")
    plan = plan_jobs([str(tree / "in")], tree / "out", comparisons=True)
    refused(plan, "a.jpg", "a_compare.jpg", "would replace that of")
    # Nor an input in the output folder, ...
    (tree / "out" / "a_compare.jpg").write_bytes(b"")
    given = [str(tree / "in" / "a.jpg"), str(tree / "out" / "a_compare.jpg")]
    assert "the input" in plan_jobs(given, tree / "out", comparisons=True).conflicts[0]
    # ... nor what exists, unless it is to be overwritten.
    (job,) = plan_jobs(given[:1], tree / "out", comparisons=True).jobs
    assert job.comparison is None
    (job,) = plan_jobs(given[:1], tree / "out", comparisons=True, overwrite=True).jobs
    assert job.comparison == tree.resolve() / "out" / "a_compare.jpg"


def test_what_exists_stays(tree):
    (tree / "out" / "a.jpg").write_bytes(b"")
    plan = plan_jobs([str(tree / "in")], tree / "out")
    assert targets(plan, tree / "out") == ["sub/b.PNG", "sub/写真 ж.webp"] and plan.existing == 1
    plan = plan_jobs([str(tree / "in")], tree / "out", overwrite=True)
    assert len(plan.jobs) == 3 and plan.existing == 0


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_file_is_no_result(tree, overwrite):
    def plan():
        return plan_jobs([str(tree / "in" / "a.jpg")], tree / "out", overwrite=overwrite)

    place = tree / "out" / "a.jpg"
    place.mkdir()
    refused(plan(), "out/a.jpg there is a folder")
    place.rmdir()
    os.mkfifo(place)
    refused(plan(), "out/a.jpg there is something that is no file")
    place.unlink()
    place.symlink_to(tree / "nothing")
    refused(plan(), "a link to nothing")
    (tree / "out" / "sub").write_bytes(b"")
    plan = plan_jobs([str(tree / "in" / "sub")], tree / "out" / "sub", overwrite=overwrite)
    assert len(plan.conflicts) == 2 and "a folder where there is a file" in plan.conflicts[0]


def test_a_result_is_no_folder_of_others(tree):
    (tree / "more" / "a.jpg").mkdir(parents=True)
    (tree / "more" / "a.jpg" / "c.png").write_bytes(b"")
    for given in (["in", "more"], ["more", "in"]):
        plan = plan_jobs([str(tree / name) for name in given], tree / "out")
        refused(plan, "c.png", "needs a folder", "in/a.jpg")


def test_names_that_only_the_comparison_makes_too_long_are_said(tree):
    (tree / "in" / ("n" * 250 + ".jpg")).write_bytes(b"")
    plan = plan_jobs([str(tree / "in")], tree / "out", comparisons=True)
    assert len(plan.jobs) == 3 and "File name too long" in plan.complaints[0]


def test_results_that_vanished_are_said(tree):
    there, gone = (Job(tree / "in" / "a.jpg", tree / "out" / name) for name in ("a.jpg", "b.jpg"))
    there.target.write_bytes(b"")
    (line,) = missing_results([there, gone])
    assert "b.jpg" in line and "has been removed" in line
