"""The folder of an export explains itself, and its files can be checked with what is in it."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from drgn_tf import weights
from drgn_tf.errors import UserError
from drgn_tf.exports import model_card, pipeline, reports
from drgn_tf.exports.documents import write_documents
from drgn_tf.exports.earlier import with_earlier
from drgn_tf.exports.pipeline import ExportOptions, Failure, Success
from drgn_tf.exports.verification import Agreement
from drgn_tf.files import sha256
from drgn_tf.inference.keras_driver import KerasDriver
from drgn_tf.models import preset

pytestmark = pytest.mark.long

SIZE = (64, 96)
AGREEMENT = Agreement(3, (SIZE,), 1e-3, 1e-4, 61.5, 0.0, 1.0)
FACTS = {"name": "tiny", "model": "tiny.keras", "sha256": "0" * 64, "parameters": 1234,
         "macs_per_pixel": 56, "versions": {"tensorflow": "2.21"}, "calibration": "9 crops",
         "verify": "quick", "quality": None, "others": []}  # fmt: skip


def success(folder: pathlib.Path, name: str) -> Success:
    """What an export says of a file that it made."""
    return Success(
        pathlib.PurePosixPath(name),
        "int8" if "int8" in name else "float32",
        bytes=1500,
        sha256=sha256(folder / name),
        agreement=AGREEMENT,
        operators={"CONV_2D": 9, "SHAPE": 1},
        quantisation={},
        gpu_fallbacks=["SHAPE"] if name.startswith("tflite") else None,
        measurement=None,
        quality=None,
    )


@pytest.fixture(scope="module")
def folder(tiny_model, tflite_file, onnx_file, dark_photos, tmp_path_factory):
    """The folder of an export in which one artefact failed."""
    folder = tmp_path_factory.mktemp("export") / "exported"
    made = {
        "tflite/tiny_64x96_tiled_float32.tflite": tflite_file("float32"),
        "tflite/tiny_64x96_tiled_int8.tflite": tflite_file("int8"),
        "tflite/tiny_dynamic_whole_float32.tflite": tflite_file("float32", None, "whole"),
        "onnx/tiny_nchw_dynamic_tiled.onnx": onnx_file("nchw", None, "tiled"),
    }
    outcomes: list[pipeline.Outcome] = [
        Failure(pathlib.PurePosixPath("onnx/tiny.onnx"), "differs from the network by 0.5.")
    ]
    for name, path in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / name)
        outcomes.append(success(folder, name))
    reference = KerasDriver(tiny_model, pathlib.Path("tiny.keras"))
    options = ExportOptions("tiny", tflite_sizes=(SIZE,))
    with pipeline.staging(folder) as staged:
        write_documents(staged, folder, FACTS, options, outcomes, reference, dark_photos)
    return folder


def test_the_card_tells_what_a_download_is(folder):
    head, card = (folder / "README.md").read_text().split("---\n", 2)[1:]
    entries = dict(line.split(": ", 1) for line in head.splitlines())
    assert entries["license"] == "apache-2.0" and entries["pipeline_tag"] == "image-to-image"
    assert entries["tags"] == "[litert, low-light-image-enhancement, onnx]"
    for path in (*folder.glob("tflite/*"), *folder.glob("onnx/*")):
        assert path.relative_to(folder).as_posix() in card
    assert "| int8 | 0.00 |  | 62 | 9 of 10 |" in card and "aimed_brightness" in card
    assert "Apache License" in (folder / "LICENSE").read_text()


@pytest.mark.parametrize("name", weights.names())
def test_shipped_weights_bring_their_own_card_without_its_head(name, tmp_path):
    facts = {**FACTS, "sha256": sha256(weights.path(name))}
    model_card.write_card(tmp_path, facts, [], preset("tiny"))
    card = (tmp_path / "README.md").read_text()
    assert "Known weaknesses" in card
    assert card.count("license: apache-2.0") == 1 and f"# {name}\n" not in card


def test_the_report_is_one_table_one_picture_and_what_failed(folder):
    report = (folder / "report.md").read_text()
    assert report.count("\n| --- |") == 1 and report.count("![") == 1
    assert len(report.splitlines()) < 25
    assert "1 of 5 failed" in report and "differs from the network by 0.5." in report
    with Image.open(folder / "report.png") as picture:
        assert np.asarray(picture).std() > 20
    details = json.loads((folder / "report.json").read_text())["artefacts"]
    assert details[0]["reason"] and details[1]["operators"] == {"CONV_2D": 9, "SHAPE": 1}


@pytest.mark.parametrize(
    "name",
    [
        "tflite/tiny_64x96_tiled_int8.tflite",
        "tflite/tiny_dynamic_whole_float32.tflite",
        "onnx/tiny_nchw_dynamic_tiled.onnx",
    ],
)
def test_files_are_checked_by_the_known_results(folder, name):
    process = check(folder, name)
    assert process.returncode == 0, process.stderr
    cases = ["automatic", "brighter"] if "tiled" in name else ["automatic"]
    lines = process.stdout.splitlines()
    assert [line.split(", ")[1].split(":")[0] for line in lines] == cases
    assert all("right" in line for line in lines)


def test_a_wrong_file_is_found(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    known = tmp_path / "copy" / "golden" / "int8_brighter.bin"
    darker = np.fromfile(known, np.uint8) * 0.9
    known.write_bytes(darker.astype(np.uint8).tobytes())
    process = check(tmp_path / "copy", "tflite/tiny_64x96_tiled_int8.tflite")
    assert process.returncode == 1 and "brighter: WRONG" in process.stderr
    process = check(tmp_path / "copy", "onnx/tiny.onnx")
    assert process.returncode == 1 and "lists no such file" in process.stderr


def check(folder: pathlib.Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "golden/check.py", name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_the_check_in_javascript_can_be_parsed(folder):
    subprocess.run(["node", "--check", folder / "golden" / "check.mjs"], check=True)


def test_known_results_agree_between_flavours_and_cases(folder, tiny_model):
    facts = json.loads((folder / "golden" / "golden.json").read_text())
    assert facts["files"]["onnx/tiny_nchw_dynamic_tiled.onnx"] == "float32"
    photo = np.asarray(Image.open(folder / "golden" / "image.png"))
    assert photo.shape == (facts["height"], facts["width"], 3) == (*SIZE, 3)
    for case, brightness in facts["brightness"].items():
        asked = np.full((1, 1), brightness, np.float32)
        expected = tiny_model(photo[np.newaxis] / np.float32(255), brightness=asked)["enhanced"]
        known = np.fromfile(folder / "golden" / f"float32_{case}.bin", np.uint8)
        levels = np.round(255 * np.asarray(expected)).ravel()
        assert np.abs(levels - known).max() <= 1


def export_again(folder, photos, path, weights_hash=FACTS["sha256"]) -> str:
    """The card after an export of one artefact, into a folder that is there already."""
    facts = {**FACTS, "sha256": weights_hash, "versions": {"tensorflow": "2.22"}}
    facts, outcomes = with_earlier(folder, facts, [success(folder, path)])
    reports.write_report(folder, facts, outcomes, [[("a photo", photos[0])]])
    model_card.write_card(folder, facts, outcomes, preset("tiny"))
    return (folder / "README.md").read_text()


def test_a_second_export_tells_of_the_first(folder, onnx_file, dark_photos, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "exported")
    new, kept = "onnx/tiny_nhwc_dynamic_whole.onnx", "tflite/tiny_64x96_tiled_int8.tflite"
    changed = "tflite/tiny_64x96_tiled_float32.tflite"
    shutil.copy(onnx_file("nhwc", None, "whole"), folder / new)
    (folder / changed).write_bytes(b"of something else")
    card = export_again(folder, dark_photos, new)
    for path in (new, kept, "onnx/tiny_nchw_dynamic_tiled.onnx"):
        assert f"| `{path}` |" in card
    assert f"changed, or of an export that did not finish: `{changed}`" in card
    assert f"`{kept}` earlier, with tensorflow 2.21" in card
    report = json.loads((folder / "report.json").read_text())
    artefacts = {artefact["path"]: artefact for artefact in report["artefacts"]}
    assert sorted(artefacts, key=lambda path: path[:4], reverse=True) == [*artefacts]
    assert artefacts[kept]["operators"] == {"CONV_2D": 9, "SHAPE": 1} and changed not in artefacts
    assert artefacts[kept]["earlier"]["versions"] == {"tensorflow": "2.21"}
    # Once more, of other weights.
    card = export_again(folder, dark_photos, new, weights_hash="2" * 64)
    assert f"| `{new}` |" in card and f"| `{kept}` |" not in card
    assert "but of another network" in card and f"`{kept}`" in card


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"artefacts": [1], "sha256": "0"}', None])
def test_reports_that_cannot_be_read_tell_nothing(tmp_path, content):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "a.onnx").write_text("")
    if content is None:
        entry = {"path": "onnx/a.onnx", "reason": None, "agreement": 3}
        content = json.dumps({"artefacts": [entry], "sha256": FACTS["sha256"]})
    (tmp_path / "report.json").write_text(content)
    facts, outcomes = with_earlier(tmp_path, FACTS, [])
    assert outcomes == [] and facts["others"] == ["onnx/a.onnx"]


@pytest.mark.parametrize("name", ["README.md", "golden"])
def test_documents_of_something_else_stay(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name}: is of no export"):
        pipeline.check_targets([], tmp_path, overwrite=True)
    (tmp_path / "report.json").write_text("{}")
    pipeline.check_targets([], tmp_path, overwrite=False)


def test_photos_compared_reach_from_the_darkest_to_the_brightest(dark_photos):
    photos = [np.full((8, 8, 3), level, np.uint8) for level in (90, 10, 50, 30, 70)]
    means = [photo.mean() for photo in pipeline.compared_photos(photos, "quick")]
    assert means == [10, 50, 90]
    assert len(pipeline.compared_photos(photos, "full")) == 5
