"""What the training program says to those who mistype, and to those who ask."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def train(*flags: str) -> tuple[int, str]:
    """Runs the program; returns its exit code and the last line it printed."""
    process = subprocess.run(
        [sys.executable, "train_main.py", *flags],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def test_help_names_every_concern_with_defaults():
    code, output = train("--help")
    assert code == 1  # absl's convention
    for text in ("--data_dir", "--preset", "--kl_weight", "--run_dir", "(default: '96')"):
        assert text in output


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--stepz=5", "Unknown command line flag 'stepz'. Did you mean: steps"),
        ("--preset=huge", "should be one of <base|mobile|tiny>"),
        ("--data_dir=no/such/folder", "--data_dir=no/such/folder: no such folder"),
        ("--crop_size=8", "--crop_size=8: 8 is not integer >= 16"),
        ("--photometric_gamma=3", "two numbers are needed"),
        ("--batch_size=0", "--batch_size=0: 0 is not a positive integer"),
    ],
)
def test_wrong_flags_are_named(flag, said, tmp_path):
    code, output = train("--data_dir=sample", f"--run_dir={tmp_path / 'run'}", flag)
    assert code == 1
    assert said in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


def test_values_that_do_not_go_together_are_one_line(tmp_path):
    code, output = train("--data_dir=sample", f"--run_dir={tmp_path}", "--width=18")
    assert code == 1
    assert last_line(output) == "error: width (18) must be divisible by reduction (4)."


def test_a_damaged_photo_is_named_in_one_line(pair_folder, tmp_path):
    path = pair_folder / "low" / "view_2.png"
    path.write_bytes(path.read_bytes()[:-200])
    code, output = train(f"--data_dir={pair_folder}", f"--run_dir={tmp_path / 'run'}")
    assert code == 1
    assert last_line(output).startswith(f"error: {path}: is damaged or no image")
    assert "Traceback" not in output


def test_skip_bad_images_trains_on_the_rest(pair_folder, tmp_path):
    path = pair_folder / "low" / "view_2.png"
    path.write_bytes(b"")
    code, output = train(
        f"--data_dir={pair_folder}", f"--run_dir={tmp_path / 'run'}", "--skip_bad_images",
        "--preset=tiny", "--steps=2", "--crop_size=32", "--batch_size=2", "--synthetic_weight=0",
    )  # fmt: skip
    assert code == 0, output
    assert f"left out: {path}: the file is empty" in output
    assert "2 pairs to train on, 1 held out for validation" in output
    assert (tmp_path / "run" / "best.keras").exists()


def test_a_crop_larger_than_a_photo_is_refused(pair_folder, tmp_path):
    code, output = train(
        f"--data_dir={pair_folder}", f"--run_dir={tmp_path / 'run'}", "--preset=tiny",
        "--crop_size=50",
    )  # fmt: skip
    assert code == 1
    assert "is 64x48 pixels, smaller than the crop of 50; choose --crop_size=48" in output


def test_a_run_folder_that_cannot_be_written_is_said_first(tmp_path):
    (tmp_path / "file").write_text("")
    code, output = train("--data_dir=sample", f"--run_dir={tmp_path / 'file' / 'run'}")
    assert code == 1
    assert "cannot be written to" in last_line(output)


def test_every_flagfile_parses_and_shapes_a_run(tmp_path):
    program = (
        "import sys, train_main; from absl import flags; f = flags.FLAGS;"
        "f(sys.argv); o = train_main._options(); print(o.loss.synthetic, o.model.scales)"
    )
    printed = {}
    for path in sorted((ROOT / "flags").glob("*.flags")):
        process = subprocess.run(
            [sys.executable, "-c", program, f"--flagfile={path}", f"--run_dir={tmp_path}"],
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
        printed[path.stem] = process.stdout.strip()
    assert printed["lol_v1"] == "False 3"
    assert printed["lol_v1_full"] == "True 3"
    assert printed["ablation_one_resolution"] == "True 1"
