"""What the training program says to those who mistype, and to those who ask."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.programs import ROOT


@pytest.fixture
def train(programs):
    """Runs the program; returns its exit code and what it printed."""

    def run(*flags: str) -> tuple[int, str]:
        process = programs.run("train_main.py", *flags)
        return process.code, process.output

    return run


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


def test_help_names_every_concern_with_defaults():
    process = subprocess.run(
        [sys.executable, "train_main.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert process.returncode == 0
    for text in ("--data_dir", "--preset", "--kl_weight", "--run_dir", "(default: '96')"):
        assert text in process.stdout


def test_mistakes_are_one_line(answers, pair_folder, tmp_path):
    (tmp_path / "file").write_text("")
    cases = {
        "--stepz=5": "Unknown command line flag 'stepz'. Did you mean: steps",
        "--preset=huge": "should be one of <base|mobile|tiny>",
        "--data_dir=no/such/folder": "--data_dir=no/such/folder: no such folder",
        "--crop_size=8": "--crop_size=8: 8 is not integer >= 16",
        "--photometric_gamma=3": "two numbers are needed",
        "--batch_size=0": "--batch_size=0: 0 is not a positive integer",
        "--logical_cpus=100000": "100000 is not an integer in the range [1, 64]",
        "--width=18": "error: width (18) must be divisible by reduction (4).",
        f"--data_dir={pair_folder} --crop_size=50": "is 64x48 pixels, smaller than the crop of 50; "
        "choose --crop_size=48",
        f"--run_dir={tmp_path / 'file' / 'run'}": "cannot be written to",
    }
    runs = [
        ["--data_dir=sample", f"--run_dir={tmp_path / 'run'}", *flags.split()] for flags in cases
    ]
    for said, expected in zip(answers("drgn_tf.cli.train", *runs), cases.values(), strict=True):
        assert expected in said and said.startswith("error: ") and "\n" not in said
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_damaged_photo_is_named_in_one_line(train, pair_folder, tmp_path):
    path = pair_folder / "low" / "view_2.png"
    path.write_bytes(path.read_bytes()[:-200])
    code, output = train(f"--data_dir={pair_folder}", f"--run_dir={tmp_path / 'run'}")
    assert code == 1
    assert last_line(output).startswith(f"error: {path}: is damaged or no image")
    assert "Traceback" not in output


def test_skip_bad_images_trains_on_the_rest(train, pair_folder, tmp_path):
    path = pair_folder / "low" / "view_2.png"
    path.write_bytes(b"")
    code, output = train(
        f"--data_dir={pair_folder}", f"--run_dir={tmp_path / 'run'}", "--skip_bad_images",
        "--preset=tiny", "--notwo_step", "--scales=1", "--branch_blocks=0", "--fusion_blocks=0",
        "--steps=2", "--crop_size=32", "--batch_size=2", "--synthetic_weight=0",
    )  # fmt: skip
    assert code == 0, output
    assert f"left out: {path}: the file is empty" in output
    assert "2 pairs to train on, 1 held out for validation" in output
    assert (tmp_path / "run" / "best.keras").exists()


def test_every_flagfile_parses_and_shapes_a_run(programs):
    program = (
        "import importlib, sys\n"
        "from absl.testing import flagsaver\n"
        "from drgn_tf.cli import program, train\n"
        "for name in train.FLAG_MODULES:\n"
        "    importlib.import_module(name)\n"
        "for path in sys.argv[1:]:\n"
        "    with flagsaver.flagsaver():\n"
        "        program.parse_flags(['', f'--flagfile={path}', '--run_dir=run'])\n"
        "        options = train.run_options()\n"
        "        print(options.loss.synthetic, options.model.scales, options.model.width,\n"
        "              options.photometric.well_lit, options.photometric.colour)\n"
    )
    paths = sorted((ROOT / "flags").glob("*.flags"))
    process = programs.run("-c", program, *paths)
    assert process.code == 0, process.output
    printed = dict(zip([path.stem for path in paths], process.stdout.splitlines(), strict=True))
    base, mobile = "40 0.0 0.0", "16 0.0 0.0"
    assert printed["lol_v1"] == f"False 3 {base}"
    assert printed["lol_v1_full"] == f"True 3 {base}"
    assert printed["lol_v1_mobile_stage2"] == "False 3 16 0.4 0.7"
    assert printed["ablation_whole"] == f"True 3 {mobile}"
    assert printed["ablation_one_resolution"] == f"False 1 {mobile}"
