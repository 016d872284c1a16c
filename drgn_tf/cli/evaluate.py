"""Evaluates trained networks, exported artefacts and other people's networks, side by side.

  drgn-eval --model=base --data_dir=LOL-v1/eval15 --output_dir=out
  drgn-eval --model=mobile --model=peer.json --data_dir=LOL-v1/eval15 --metrics=all --output_dir=out
  drgn-eval --model=net.tflite --unpaired=dark_photos --output_dir=out
  drgn-eval --task=detection --data_dir=photos --annotations=boxes.json \
      --detector=detector.onnx --detector_layout=layout.json --output_dir=out

The untouched input is always measured too, and so are classical methods unless --baselines= leaves
them out. docs/evaluation.md defines the metrics.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import shlex
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

import numpy as np
import tqdm

from drgn_tf.cli import program
from drgn_tf.data.annotations import read_annotations
from drgn_tf.data.pairs import Pair, find_pairs
from drgn_tf.evaluation import columns, detection, image_quality, report
from drgn_tf.evaluation.detector_layout import read_layout
from drgn_tf.evaluation.methods import INPUT, Method, check_names, of_network
from drgn_tf.files import sha256
from drgn_tf.flags import eval_flags
from drgn_tf.images.grids import save_grid
from drgn_tf.images.photos import list_photos
from drgn_tf.inference import load_driver
from drgn_tf.inference.driver import Driver

_Item = TypeVar("_Item")


def _progress(photos: Iterable[_Item], total: int) -> Iterable[_Item]:
    return tqdm.tqdm(photos, total=total, unit="photo", leave=False, disable=None)


def _keep_in(folder: pathlib.Path) -> Callable[[str, str, np.ndarray], None]:
    """Returns a function that saves each enhanced photo, or does nothing."""
    if not eval_flags.save_images():
        return lambda row, name, pixels: None
    return lambda row, name, pixels: report.save_photo(pixels, folder / row / f"{name}.png")


def _opened() -> tuple[list[Driver], list[Method]]:
    """Returns the networks, and all that is measured: networks first."""
    drivers = [load_driver(model) for model in eval_flags.models()]
    methods = [
        *(of_network(driver, driver.name) for driver in drivers),
        *eval_flags.baselines(),
    ]
    check_names(methods)
    return drivers, methods


def _measure_pairs(
    networks: list[Method], methods: list[Method], pairs: list[Pair], folder: pathlib.Path
) -> dict[str, Any]:
    """Measures pairs and writes their files; returns their part of the results."""
    names = eval_flags.metrics()
    keep = _keep_in(folder / report.ENHANCED)
    measured = image_quality.evaluate_pairs(methods, pairs, keep, names)
    metrics = list(_progress(measured, len(pairs)))
    report.save_metrics(metrics, folder / report.PER_IMAGE)
    by_stem = {pair.stem: pair for pair in pairs}
    sheet = []
    column = columns.SIMILARITY[names[0]]
    ranked = image_quality.best_median_worst(metrics, networks[0].name)
    for place, photo in ranked.items():
        low, high = image_quality.read_pair(by_stem[photo.stem])
        before, after = (
            column.shown(photo.rows[row][names[0]]) for row in (INPUT, networks[0].name)
        )
        title = f"{place}: {photo.stem}, {column.heading} {after} (input {before})"
        sheet.append(
            [
                (f"{title}\nlow", low),
                *((method.name, method.enhance(low)) for method in networks),
                ("reference", high),
            ]
        )
    save_grid(sheet, folder / report.CONTACT_SHEET)
    return {
        "protocol": f"{image_quality.PROTOCOL} {columns.protocol(names)}",
        "mean": image_quality.mean_metrics(metrics),
        "per_image": report.metrics_to_json(metrics),
    }


def _measure_unpaired(
    methods: list[Method], paths: list[pathlib.Path], folder: pathlib.Path
) -> dict[str, Any]:
    """Measures photos without references; see `_measure_pairs`."""
    keep = _keep_in(folder / report.ENHANCED / "unpaired")
    metrics = list(_progress(image_quality.evaluate_unpaired(methods, paths, keep), len(paths)))
    report.save_metrics(metrics, folder / report.UNPAIRED)
    protocol = f"{image_quality.UNPAIRED_PROTOCOL} {columns.protocol(columns.NATURALNESS)}"
    return {
        "protocol": protocol,
        "mean": image_quality.mean_metrics(metrics),
        "per_image": report.metrics_to_json(metrics),
    }


def _evaluate_photos(command: str) -> None:
    data_dir, unpaired = eval_flags.data_dir(), eval_flags.unpaired()
    # Some need an extra; a missing one is reported before anything is measured.
    if unpaired:
        importlib.import_module("drgn_tf.metrics.niqe")
    if data_dir:
        columns.check(eval_flags.metrics())
    pairs = find_pairs(data_dir) if data_dir else []
    paths = list(list_photos(unpaired).values()) if unpaired else []
    drivers, methods = _opened()
    results = {"task": "pairs", **report.describe_run(drivers, command)}
    with report.results_folder(eval_flags.output_dir(), eval_flags.overwrite()) as folder:
        if data_dir is not None:
            measured = _measure_pairs(methods[: len(drivers)], methods, pairs, folder)
            name = data_dir.resolve().name
            results["pairs"] = {"data_set": name, "count": len(pairs), **measured}
            print(f"{name}: {len(pairs)} pairs\n{report.table(measured['mean'])}")
        if unpaired is not None:
            measured = _measure_unpaired(methods, paths, folder)
            name = unpaired.resolve().name
            results["unpaired"] = {"data_set": name, "count": len(paths), **measured}
            print(f"{name}: {len(paths)} photos without reference")
            print(report.table(measured["mean"]))
        report.save_results(results, folder / report.RESULTS)


def _evaluate_detection(command: str) -> None:
    # Imported here, because it needs an extra.
    from drgn_tf.metrics.detection import PROTOCOL, detection_metrics

    detector_path, layout_path = eval_flags.detector()
    layout = read_layout(layout_path)
    annotations = read_annotations(eval_flags.annotations(), eval_flags.photos_dir())
    categories = detection.common_categories(annotations, layout)
    detector = detection.Detector(detector_path, layout)
    drivers, methods = _opened()
    name, count = eval_flags.photos_dir().resolve().name, len(annotations.paths)
    left_out = sorted(annotations.category_ids().keys() - categories.keys())
    with report.results_folder(eval_flags.output_dir(), eval_flags.overwrite()) as folder:
        keep = _keep_in(folder / report.ENHANCED)
        found: dict[str, list[dict[str, Any]]] = {}
        runs = detection.detect_before_and_after(methods, detector, annotations, keep)
        for run in _progress(runs, count):
            for row, boxes in run.items():
                found.setdefault(row, []).extend(boxes)
        metrics = {
            row: dataclasses.asdict(
                detection_metrics(annotations.ground_truth, boxes, categories.values())
            )
            for row, boxes in found.items()
        }
        report.save_detections(found, annotations.ground_truth, folder / report.DETECTIONS)
        results = {
            "task": "detection",
            **report.describe_run(drivers, command),
            "detector": {
                "file": detector.path.name,
                "sha256": sha256(detector.path),
                "layout": dataclasses.asdict(layout),
            },
            "detection": {
                "data_set": name,
                "count": count,
                "protocol": PROTOCOL,
                "classes": list(categories),
                "classes_left_out": left_out,
                "metrics": metrics,
            },
        }
        report.save_results(results, folder / report.RESULTS)
    print(f"{name}: {count} photos; classes: {', '.join(categories)}")
    if left_out:
        print(f"left out, unknown to the detector: {', '.join(left_out)}")
    print(report.table(metrics))


def main(argv: list[str]) -> None:
    """Runs the evaluation of the flags."""
    eval_flags.check()
    tasks = {"pairs": _evaluate_photos, "detection": _evaluate_detection}
    tasks[eval_flags.task()](shlex.join(["drgn-eval", *sys.argv[1:]]))
    print(f"results: {eval_flags.output_dir()}")


def run() -> NoReturn:
    """The command drgn-eval."""
    program.run(
        main,
        flag_modules=(eval_flags,),
        extra="eval",
        interrupted="interrupted; no results were written.",
    )


if __name__ == "__main__":
    run()
