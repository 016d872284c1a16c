"""The package as pip installs it: a wheel and its base dependencies, used from another folder."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import venv
import zipfile

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from drgn_tf.version import __version__

pytestmark = pytest.mark.long

ROOT = pathlib.Path(__file__).parents[1]
HEIC = ROOT / "tests" / "images" / "files" / "phone.heic"
SOURCES = ("drgn_tf", "exports", "flags", "LICENSE", "README.md", "pyproject.toml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", f"--wheel-dir={folder}", str(folder / "source")],
        check=True, timeout=300,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def base_requirements(package: str) -> set[str]:
    """Returns the distributions that a package needs without extras, and those that they need."""
    found, open_ends = set(), [package]
    while open_ends:
        for text in importlib.metadata.requires(open_ends.pop()) or ():
            requirement = Requirement(text)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                open_ends.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> pathlib.Path:
    """A new environment with the wheel and what it requires, and none of the extras."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    subprocess.run(
        [sys.executable, "-m", "pip", f"--python={folder / 'bin' / 'python'}", "install",
         "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True, timeout=300,
    )  # fmt: skip
    (site,) = folder.glob("lib/python*/site-packages")
    (installed,) = importlib.metadata.distributions(name="drgn-tf", path=[str(site)])
    needed: set[str] = set()
    for text in installed.requires:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed |= {requirement.name, *base_requirements(requirement.name)}
    for name in needed:
        files = importlib.metadata.files(name)
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            target = site / top
            if not target.exists():
                target.symlink_to(files[0].locate().parents[len(files[0].parts) - 1] / top)
    return folder


@pytest.fixture
def run(environment, tmp_path):
    """Runs a command of the environment in an empty folder."""
    (tmp_path / "elsewhere").mkdir()

    def run(command: str, *arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [environment / "bin" / command, *map(str, arguments)],
            cwd=tmp_path / "elsewhere",
            env={"PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def test_a_photo_is_enhanced(run, tmp_path, dark):
    Image.fromarray(dark).save(tmp_path / "photo.png")
    process = run("drgn-enhance", "--output_dir=out", tmp_path / "photo.png")
    assert process.returncode == 0, process.stderr
    with Image.open(tmp_path / "elsewhere" / "out" / "photo.png") as enhanced:
        assert np.asarray(enhanced).mean() > 1.5 * dark.mean()


def test_pairs_are_measured(run, pair_folder):
    process = run("drgn-eval", f"--data_dir={pair_folder}", "--output_dir=out", "--model=base")
    assert process.returncode == 0, process.stderr
    assert "pairs: 4 pairs" in process.stdout


def test_what_an_extra_adds_is_said_in_one_line(run, tmp_path, dark, pair_folder):
    Image.fromarray(dark).save(tmp_path / "photo.png")
    for command, arguments, extra in (
        ("drgn-export", ["--output_dir=out"], "export"),
        ("drgn-train", ["--data_dir=sample", "--run_dir=out"], "train"),
        ("drgn-train", ["--backend=jax", "--data_dir=sample", "--run_dir=out"], "jax"),
        ("drgn-eval", [f"--unpaired={tmp_path}", "--output_dir=out"], "eval"),
        ("drgn-eval", [f"--data_dir={pair_folder}", "--output_dir=out", "--metrics=flip"], "eval"),
        ("drgn-enhance", ["--output_dir=out", "--stages", tmp_path / "photo.png"], "keras"),
        ("drgn-enhance", ["--output_dir=out", HEIC], "heic"),
    ):
        process = run(command, *arguments)
        assert process.returncode == 1
        said = process.stderr.splitlines()[-1]
        assert said.startswith("error: ") and f"pip install 'drgn-tf[{extra}]'" in said
        assert "Traceback" not in process.stderr


def test_flagfiles_come_with_it_and_the_version_is_told(run):
    assert run("drgn-enhance", "--version").stdout == f"drgn-tf {__version__}\n"
    program = "from drgn_tf.flags import flagfiles; print(flagfiles.expand(['--flagfile=lol_v1']))"
    assert "--crop_size=48" in run("python", "-c", program).stdout


def test_the_wheel_holds_what_it_should(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        described = archive.read(metadata).decode()
    assert {"drgn_tf/py.typed", "drgn_tf/weights/mobile.tflite", "drgn_tf/weights/base.keras",
            "drgn_tf/flags/lol_v1_validation.txt", "drgn_tf/exports/pipeline.py",
            "drgn_tf/metrics/niqe_model.npz"} <= names  # fmt: skip
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "build"))]
    assert "License-Expression: Apache-2.0" in described
    assert described.count("License-File: ") == 2
