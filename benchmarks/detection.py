"""Measures what enhancement does to detection, the second claim of the paper.

  python -m benchmarks.detection --data_dir=images/val2017 --labels=labels/val2017 \
      --class_names=coco.names --detectors=detect.tflite,FastestDet.onnx

Photos of normal light are darkened as the paper's COCO1000 was, by a gamma of 2 to 3.5, here with
the noise of a sensor, and enhanced. Detectors run on the original, the dark photo and each result.
With --nodarken the photos are dark already, and there is no original. docs/detection.md has what
came out, and where detectors and photos come from.

Beside each detector lies its layout, a .json file of the same name (docs/evaluation.md). Labels are
YOLO's text files, class, x, y, width and height, relative to the photo, or as of drgn-eval
--annotations.
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tqdm
from absl import flags
from PIL import Image

from benchmarks.photos_with_boxes import darkened, thinned, yolo_boxes
from benchmarks.report import Report, run
from drgn_tf.data.annotations import Annotations, read_annotations
from drgn_tf.evaluation.baselines import BASELINES, chosen
from drgn_tf.evaluation.columns import DETECTION
from drgn_tf.evaluation.detection import Detector, common_categories, to_coco
from drgn_tf.evaluation.detector_layout import read_layout
from drgn_tf.evaluation.methods import Method
from drgn_tf.files import read_text
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.metrics.detection import detection_metrics, resampled_map_50

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of photos.", required=True)
_LABELS = flags.DEFINE_string("labels", None, "YOLO's text files, or COCO's or ExDark's boxes.")
_CLASS_NAMES = flags.DEFINE_string(
    "class_names", "", "Text file with the names of YOLO's classes, one a line."
)
_EVERY = flags.DEFINE_integer("every", 1, "Uses one of so many photos, in order of names.", 1)
_DETECTORS = flags.DEFINE_list("detectors", None, "Files with a .json layout beside each.")
_MODELS = flags.DEFINE_list("models", ["mobile", "base"], "Networks, as of drgn-eval --model.")
_BASELINES = flags.DEFINE_list("baselines", list(BASELINES), "Classical methods.")
_EXPOSURES = flags.DEFINE_list(
    "exposures", ["-0.5", "0", "0.5"], "Stops (EV) of networks that take a brightness."
)
_DARKEN = flags.DEFINE_boolean("darken", True, "Darken the photos first.")
_GAMMA = flags.DEFINE_list("gamma", ["2", "3.5"], "Lowest and highest gamma of a dark photo.")
_SEED = flags.DEFINE_integer("seed", 1, "Of gammas and noise.")
_RESAMPLES = flags.DEFINE_integer(
    "resamples", 100, "Sets of as many photos, drawn from these, for the spread of differences.", 0
)
for _name in ("labels", "detectors"):
    flags.mark_flag_as_required(_name)

ORIGINAL, DARK = "original", "dark"


def _annotations() -> Annotations:
    photos = pathlib.Path(_DATA_DIR.value)
    if not _CLASS_NAMES.value:
        return read_annotations(_LABELS.value, photos)
    names = read_text(_CLASS_NAMES.value).split("\n")
    content = yolo_boxes(
        pathlib.Path(_LABELS.value), photos, [name.strip() for name in names if name.strip()]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "boxes.json")
        path.write_text(json.dumps(content), encoding="utf-8")
        return read_annotations(path, photos)


def _methods() -> list[Method]:
    methods = []
    for model in _MODELS.value:
        enhancer = Enhancer(load_driver(model))
        told = enhancer.driver.takes_brightness
        for stops in map(float, _EXPOSURES.value if told else ["0"]):
            name = f"{model}, {stops:+g} EV" if stops else model

            def enhance(
                photo: np.ndarray, enhancer: Enhancer = enhancer, stops: float = stops
            ) -> np.ndarray:
                return enhancer(photo, exposure=stops)

            methods.append(Method(name, enhance))
    return [*methods, *chosen(_BASELINES.value)]


def _spread(
    truth: dict, rows: dict[str, list[dict]], categories: list[int], count: int
) -> dict[str, tuple[float, float]]:
    """Returns the spread of the mAP 50, and of its difference to the dark photos, by row.

    Standard deviations over sets of as many photos, drawn from these with repetition.
    """
    size = len(truth["images"])
    draws = np.random.default_rng(0).integers(size, size=(count, size)).tolist()
    values = {
        row: np.array(resampled_map_50(truth, boxes, draws, categories))
        for row, boxes in rows.items()
    }
    return {row: (float(of.std()), float((of - values[DARK]).std())) for row, of in values.items()}


def main() -> None:
    """Measures and prints."""
    annotations = thinned(_annotations(), _EVERY.value)
    detectors = [
        Detector(path, read_layout(pathlib.Path(path).with_suffix(".json")))
        for path in _DETECTORS.value
    ]
    methods = _methods()
    low, high = map(float, _GAMMA.value)
    found: list[dict[str, list[dict]]] = [{} for _ in detectors]
    images = annotations.ground_truth["images"]
    for image in tqdm.tqdm(images, unit="photo", leave=False, disable=None):
        # Grey photos too; and as stored, which boxes refer to, not as EXIF turns them.
        with Image.open(annotations.paths[image["id"]]) as file:
            photo = np.asarray(file.convert("RGB"))
        pixels = {DARK: photo}
        if _DARKEN.value:
            dark = darkened(photo, (low, high), [_SEED.value, image["id"]])
            pixels = {ORIGINAL: photo, DARK: dark}
        pixels |= {method.name: method.enhance(pixels[DARK]) for method in methods}
        for detector, rows in zip(detectors, found):
            names = detector.layout.class_names
            for row, image_pixels in pixels.items():
                boxes = detector(image_pixels)
                rows.setdefault(row, []).extend(
                    to_coco(boxes, image["id"], names, annotations.category_ids())
                )
    report = Report(f"Detection on {len(images)} photos")
    for detector, rows in zip(detectors, found):
        categories = [*common_categories(annotations, detector.layout).values()]
        spread = _spread(annotations.ground_truth, rows, categories, _RESAMPLES.value)
        table = []
        for row, boxes in rows.items():
            metrics = detection_metrics(annotations.ground_truth, boxes, categories)
            table.append(
                {"photos": row}
                | {column.heading: getattr(metrics, name) for name, column in DETECTION.items()}
                | {"+-": spread[row][0], "of difference": spread[row][1]}
            )
        report.table(f"{detector.path.name}, {len(categories)} classes", table)
    report.save()


if __name__ == "__main__":
    run(main)
