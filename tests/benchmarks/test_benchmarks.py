from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from benchmarks import photos
from benchmarks.artefacts import find
from benchmarks.draw_architecture import draw
from benchmarks.timing import alternate
from benchmarks.yardstick import yardstick
from drgn_tf.exports.tflite import export_tflite
from drgn_tf.models import preset
from tests.model_files import ADD, tflite
from tests.networks import with_few_blocks


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory) -> pathlib.Path:
    """A folder as of export_main.py, with one file, and the network beside it."""
    folder = tmp_path_factory.mktemp("artefacts")
    model = with_few_blocks()
    model.save(folder / "tiny.keras")
    (folder / "tflite").mkdir()
    path = folder / "tflite" / "tiny_dynamic_tiled_float32.tflite"
    export_tflite(model, path, precision="float32", size=None, flavour="tiled", name="tiny")
    return folder


@pytest.mark.long
def test_inference_prints_a_table_and_writes_the_same_as_json(programs, artefacts, tmp_path):
    arguments = [
        f"--model={artefacts / 'tiny.keras'}",
        f"--artefacts={artefacts}",
        "--megapixels=0.01",
        "--threads=1",
        "--rounds=1",
        "--seconds=0",
        f"--json={tmp_path / 'measured.json'}",
    ]
    process = programs.run("-m", "benchmarks.inference", *arguments)
    assert process.code == 0, process.output
    rows = json.loads((tmp_path / "measured.json").read_text())["tables"]["1 threads"]
    assert [row["artefact"] for row in rows] == ["tiny.keras", "tiny_dynamic_tiled_float32.tflite"]
    for row in rows:
        assert row["size"] == "116x88" and row["MB"] > 0
        assert row["ms per MP"] == pytest.approx(row["ms"] * 1e6 / (116 * 88))
        assert row["share of yardstick"] > 0
        assert f"| {row['artefact']} | 1 | 116x88 |" in process.stdout
    assert rows[1]["over TFLite float32"] == 1


def test_networks_of_others_are_measured_beside_classical_methods(programs, pair_folder, tmp_path):
    (tmp_path / "double.tflite").write_bytes(tflite(ADD))
    (tmp_path / "peer.json").write_text('{"file": "double.tflite", "name": "double"}')
    process = programs.run(
        "-m", "benchmarks.peers", f"--models={tmp_path / 'peer.json'}", "--baselines=gamma",
        "--megapixels=0.01", "--threads=1", "--rounds=1", "--seconds=0",
        f"--data_dir={pair_folder}", f"--json={tmp_path / 'measured.json'}",
    )  # fmt: skip
    assert process.code == 0, process.output
    (rows,) = json.loads((tmp_path / "measured.json").read_text())["tables"].values()
    assert [row["method"] for row in rows] == ["double", "gamma"]
    for row in rows:
        assert row["ms per MP"] > 0 and row["MB"] >= 0
        assert 5 < row["psnr"] < 40 and 0 < row["ssim"] < 1
        assert f"| {row['method']} | " in process.stdout


def test_a_folder_without_artefacts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no artefacts; give a folder of export_main"):
        find(tmp_path)


@pytest.mark.parametrize("kind", ["keras", "tflite", "onnx"])
def test_each_runtime_has_a_yardstick_of_the_same_size(kind):
    standard = yardstick(kind, width=4, threads=1)
    seconds = alternate({"yardstick": standard.run}, rounds=1, least=0.0)
    assert standard.macs == 256 * 256 * 9 * 4 * 4
    assert standard.rate(seconds["yardstick"]) == standard.macs / seconds["yardstick"]


def test_things_are_measured_in_turn():
    order = []
    alternate({name: lambda name=name: order.append(name) for name in "ab"}, rounds=2, least=0.0)
    assert order == [*"ab", *"ab", *"ab"]


def test_photos_are_as_large_as_asked_for_and_dark():
    assert photos.size_of(4) == (1732, 2308)
    photo = photos.dark_photo(700, 900)
    assert photo.shape == (700, 900, 3) and photo.dtype == np.uint8
    assert 0 < photo.mean() < 64


@pytest.mark.parametrize("changes", [{}, {"scales": 1, "two_step": False, "brightness": False}])
def test_the_figure_is_of_the_network_as_it_is(changes):
    figure = draw(preset("mobile", **changes))
    assert ("DeG" in figure, "predicted" in figure) == ((False, False) if changes else (True, True))
    if not changes:
        path = pathlib.Path(__file__).parents[2] / "docs" / "pictures" / "architecture.svg"
        assert figure == path.read_text(encoding="utf-8")
