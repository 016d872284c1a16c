"""One command, a better photo: the program as its users meet it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from drgn_tf.brightness import LUMA
from drgn_tf.images import photo_files
from drgn_tf.images.photos import to_float
from tests.photo_makers import dng, ultra_hdr
from tests.programs import ROOT

FILES = pathlib.Path(__file__).parents[1] / "images" / "files"


@pytest.fixture
def enhance(programs):
    """Runs the program; returns its exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        process = programs.run("-m", "drgn_tf.cli.enhance", *arguments)
        return process.code, process.output

    return run


@pytest.fixture
def dark_file(tmp_path, low_photo) -> pathlib.Path:
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.round(low_photo[0] * 255).astype(np.uint8)).save(path, quality=95)
    return path


def test_one_command_a_better_photo(dark_file, photo, tmp_path):
    process = subprocess.run(
        [sys.executable, "enhance_main.py", f"--output_dir={tmp_path / 'out'}", "--compare",
         dark_file],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "1 enhanced in" in process.stdout
    paths = (dark_file, tmp_path / "out" / "photo.jpg")
    low, enhanced = (np.asarray(Image.open(path)) for path in paths)
    error = [np.square(image - photo.astype(float)).mean() for image in (low, enhanced)]
    assert error[1] < error[0] / 3
    assert sorted(os.listdir(tmp_path / "out")) == ["photo.jpg", "photo_compare.jpg"]


def test_bad_files_are_named_one_by_one_and_the_rest_is_done(enhance, dark_file, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    data = dark_file.read_bytes()
    dark = Image.open(dark_file)
    (folder / "a good one.jpg").write_bytes(data)
    dark.crop((0, 0, 1, 1)).save(folder / "one pixel.png")
    dark.convert("LAB").save(folder / "lab.tif")
    dark.save(folder / "moving.webp", save_all=True, append_images=[dark.rotate(90)])
    (folder / "nothing.png").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo")
    (folder / "truncated ж.jpg").write_bytes(data[: len(data) // 2])
    (folder / "video.mp4").write_text("not a video")
    out = tmp_path / "out"
    code, output = enhance(f"--output_dir={out}", folder, tmp_path / "gone.jpg")
    assert code == 1
    assert "Traceback" not in output
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    for name, said in {
        "lab.tif": "has the colour mode LAB",
        "moving.webp": "is animated",
        "nothing.png": "the file is empty",
        "text.jpg": "image by its content",
        "truncated ж.jpg": "is damaged",
        "video.mp4": "video",
        "gone.jpg": "no such file",
    }.items():
        assert [line for line in errors if name in line and said in line], (name, output)
    assert len(errors) == 7
    assert "2 enhanced in" in output and "7 failed" in output
    assert sorted(os.listdir(out)) == ["a good one.jpg", "one pixel.png"]

    # What is there is not made again, unless asked for.
    before = (out / "a good one.jpg").stat().st_mtime_ns
    code, output = enhance(f"--output_dir={out}", folder / "a good one.jpg")
    assert code == 0
    assert "0 enhanced" in output and "1 there already" in output
    assert (out / "a good one.jpg").stat().st_mtime_ns == before
    code, _ = enhance(f"--output_dir={out}", "--overwrite", folder / "a good one.jpg")
    assert code == 0
    assert (out / "a good one.jpg").stat().st_mtime_ns > before


def test_a_series_of_any_formats_keeps_one_brightness(enhance, tmp_path, dark, photo):
    """Frames of other light; the second run does what an interrupted first one left."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    bright = np.round(255 * (photo / 255) ** 1.5).astype(np.uint8)
    Image.fromarray(dark).save(folder / "1.tif")
    Image.fromarray(bright).save(folder / "2.avif", quality=95)
    (folder / "3.dng").write_bytes(dng(dark // 2))
    (folder / "4.jpg").write_bytes(ultra_hdr(dark, quality=95))
    shutil.copy(FILES / "phone.heic", folder / "5.heic")
    code, output = enhance(f"--output_dir={out}", "--steady", folder)
    assert code == 0, output
    assert "left out of 1 results: gain map for HDR screens." in output
    assert sorted(os.listdir(out)) == ["1.tif", "2.avif", "3.png", "4.jpg", "5.jpg"]

    def lumas() -> dict[str, float]:
        files = [photo_files.read(path) for path in sorted(out.iterdir())]
        means = [(to_float(file.in_srgb()) @ LUMA).mean() for file in files]
        return dict(zip(sorted(os.listdir(out)), means))

    first = lumas()
    views = [first[name] for name in ("1.tif", "2.avif", "3.png", "4.jpg")]
    # Of frames from 0.06 to 0.35 of luma.
    assert max(views) / min(views) < 1.25
    for name in ("1.tif", "5.jpg"):
        (out / name).unlink()
    code, output = enhance(f"--output_dir={out}", "--steady", folder)
    assert code == 0 and "2 enhanced" in output and "3 there already" in output
    assert lumas() == first


def test_other_forms_and_stages(enhance, dark_file, tmp_path):
    code, output = enhance(
        f"--output_dir={tmp_path / 'out'}", "--format=png", "--model=base", "--stages", dark_file
    )
    assert code == 0, output
    with Image.open(tmp_path / "out" / "photo_compare.png") as image:
        width, height = Image.open(dark_file).size
        assert image.size == (4 * width, height)


def test_mistakes_are_one_line(answers, dark_file, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "file").write_text("")
    out = f"--output_dir={tmp_path / 'out'}"
    said = answers(
        "drgn_tf.cli.enhance",
        [out, "--model=huge", dark_file],
        [out, f"--model={tmp_path / 'broken.keras'}", dark_file],
        [out, f"--model={dark_file}", dark_file],
        [out, "--tile=64", dark_file],
        [out, "--tile=8192", dark_file],
        [out, "--tile=130", dark_file],
        [out, "--threads=0", dark_file],
        [out, "--threads=100000", dark_file],
        [out, "--quality=101", dark_file],
        [out, "--max_megapixels=0", dark_file],
        [f"--output_dir={tmp_path / 'file'}", dark_file],
    )
    for line, expected in zip(
        said,
        (
            "huge: no such model; choose base, mobile, or give",
            "broken.keras: is no .keras file",
            "photo.jpg: is not a .keras",
            "--tile=64: 64 is not an integer in the range [128, 4096]",
            "--tile=8192: 8192 is not an integer in the range [128, 4096]",
            "tile must be a positive multiple of 4, not 130",
            "--threads=0: 0 is not an integer in the range [1, 512]",
            "--threads=100000: 100000 is not an integer in the range [1, 512]",
            "--quality=101: 101 is not an integer in the range [1, 100]",
            "--max_megapixels=0: 0 is not an integer in the range [1, 10000]",
            "file: cannot be made",
        ),
        strict=True,
    ):
        assert line.startswith("error: ") and expected in line and "\n" not in line
    assert not list((tmp_path / "out").glob("*"))


def test_nothing_begins_where_results_would_replace_something(enhance, dark_file, tmp_path):
    (tmp_path / "sub").mkdir()
    same = tmp_path / "sub" / "photo.jpg"
    same.write_bytes(dark_file.read_bytes())
    before = dark_file.read_bytes()
    for given in (
        ["--overwrite", f"--output_dir={tmp_path}", dark_file, same],
        [f"--output_dir={tmp_path / 'out'}", dark_file, same],
    ):
        code, output = enhance(*given)
        assert code == 1
        errors = [line for line in output.splitlines() if line.startswith("error: ")]
        assert errors and all("would replace" in line for line in errors)
        assert "nothing was enhanced." in output
    assert dark_file.read_bytes() == before and not list((tmp_path / "out").iterdir())
