"""The output of an evaluation: tables, pictures, and JSON with all that repeating it needs.

results.json       data set, weights with SHA-256, protocol, versions, command, all metrics
per_image.csv      a line per pair
unpaired.csv       a line per photo without reference
detections.csv     a line per detected box, before and after enhancement
contact_sheet.png  low | enhanced | reference of the best, the median and the worst pair
enhanced/          the enhanced photos, with --save_images

They appear together, when all are complete, results.json last. An evaluation that is killed while
they do is completed by the next one in the same folder.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib.metadata
import json
import math
import pathlib
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from drgn_tf.errors import UserError
from drgn_tf.evaluation.image_quality import (
    Metrics,
    Naturalness,
    PhotoMetrics,
    Similarity,
    images_of,
)
from drgn_tf.files import make_folder, move, partial_folder, remove_partial, sha256
from drgn_tf.images.grids import save_grid
from drgn_tf.inference.driver import Driver
from drgn_tf.version import __version__

RESULTS = "results.json"
PER_IMAGE = "per_image.csv"
UNPAIRED = "unpaired.csv"
DETECTIONS = "detections.csv"
CONTACT_SHEET = "contact_sheet.png"
ENHANCED = "enhanced"
# results.json is last: it shows that the others are complete.
_NAMES = (PER_IMAGE, UNPAIRED, DETECTIONS, CONTACT_SHEET, ENHANCED, RESULTS)
# What becomes of names of files that are no UTF-8: escapes.
_NO_UTF_8 = "backslashreplace"
# Of the folder of complete results that do not have their names yet, and of what stands in it for
# those that an evaluation does not have.
_COMPLETE = ".complete"
_ABSENT = ".absent"
_PACKAGES = (
    "tensorflow", "keras", "numpy", "scipy", "pillow", "ai-edge-litert", "onnxruntime",
    "pycocotools",
)  # fmt: skip
# Headings of the printed table; those in brackets use the reference.
_HEADINGS = {
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "psnr_luma": "PSNR luma",
    "ssim_luma": "SSIM luma",
    "psnr_gt_mean": "(PSNR GT-mean)",
    "ssim_gt_mean": "(SSIM GT-mean)",
    "niqe": "NIQE",
    "dark": "dark",
    "clipped": "clipped",
    "precision": "precision",
    "recall": "recall",
    "iou": "IoU",
    "map_50": "mAP 50",
    "map": "mAP",
}


@contextlib.contextmanager
def results_folder(path: pathlib.Path, overwrite: bool = False) -> Iterator[pathlib.Path]:
    """Gives a folder to write results into; they move to `path` together, when all are complete.

    Args:
      path: created if it does not exist.
      overwrite: whether to replace the results of an earlier evaluation; other files stay.

    Raises:
      UserError: it holds results already, or cannot be written to.
    """
    try:
        make_folder(path)
        remove_partial(path)
        _publish(path)
        for name in _NAMES:
            _check_place(path / name)
        found = [name for name in _NAMES if (path / name).exists()]
        if found and not overwrite:
            raise UserError(
                f"{path}: holds {found[0]} of an earlier evaluation; choose another --output_dir, "
                "or replace it with --overwrite."
            )
        with partial_folder(path) as private:
            folder = private / "results"
            folder.mkdir()
            for name in _NAMES:
                (folder / f"{name}{_ABSENT}").touch()
            yield folder
            for name in _NAMES:
                # Fails where the folder was removed meanwhile, whatever was written into it since.
                (folder / f"{name}{_ABSENT}").unlink()
                if not (folder / name).exists():
                    (folder / f"{name}{_ABSENT}").touch()
            move(folder, path / _COMPLETE)
            _publish(path)
    except OSError as error:
        raise UserError(
            f"{error.filename or path}: {error.strerror or error}; make room, check the "
            "permissions, or choose another --output_dir."
        ) from error


def _publish(path: pathlib.Path) -> None:
    """Gives complete results their names; goes on wherever an earlier process was killed."""
    complete = path / _COMPLETE
    if not complete.is_dir() or complete.is_symlink():
        return
    for name in _NAMES:
        made, absent, named = complete / name, complete / f"{name}{_ABSENT}", path / name
        if not made.exists() and not absent.exists():
            # Moved already.
            continue
        _check_place(named)
        if named.is_dir() and not named.is_symlink():
            shutil.rmtree(named)
        elif absent.exists() or named.is_symlink():
            named.unlink(missing_ok=True)
        if made.exists():
            move(made, named)
    shutil.rmtree(complete)


def _check_place(named: pathlib.Path) -> None:
    """Raises UserError if a folder of somebody else is in the place of a file."""
    if named.name != ENHANCED and named.is_dir() and not named.is_symlink():
        raise UserError(f"{named}: is a folder, and a result has this name; rename or remove it.")


def save_photo(pixels: np.ndarray, path: pathlib.Path) -> None:
    """Writes a photo, uint8 [H, W, 3], and creates its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_results(results: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes results as JSON, with null for NaN."""
    text = json.dumps(_without_nan(results), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", errors=_NO_UTF_8)


def describe_run(driver: Driver, command: str) -> dict[str, Any]:
    """Returns the weights, versions and command of a run."""
    return {
        "model": {
            "file": model_name(driver),
            "kind": driver.kind,
            "sha256": sha256(driver.path),
        },
        "versions": versions(),
        "command": command,
    }


def model_name(driver: Driver) -> str:
    """Returns the file name; for a version of a SavedModel with that of its folder."""
    name = driver.path.name
    return f"{driver.path.resolve().parent.name}/{name}" if name.isdecimal() else name


def versions() -> dict[str, str]:
    """Returns the versions of the packages that metrics may depend on."""
    found = {"python": platform.python_version(), "drgn-tf": __version__}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def metrics_to_json(photos: Sequence[PhotoMetrics[Metrics]]) -> list[dict[str, Any]]:
    """Returns the metrics of each photo."""
    return [dataclasses.asdict(photo) for photo in photos]


def save_metrics(photos: Sequence[PhotoMetrics[Metrics]], path: pathlib.Path) -> None:
    """Writes a CSV file with a line per photo: its stem, then input_*, enhanced_* metrics etc."""
    names = [field.name for field in dataclasses.fields(photos[0].input)]
    images = images_of(photos[0])
    header = ["stem", *(f"{image}_{name}" for image in images for name in names)]
    rows = (
        [photo.stem, *(cell for image in images for cell in _cells(getattr(photo, image)))]
        for photo in photos
    )
    _save_table(header, rows, path)


def save_detections(
    found: Mapping[str, Sequence[dict[str, Any]]],
    ground_truth: Mapping[str, list[dict[str, Any]]],
    path: pathlib.Path,
) -> None:
    """Writes a CSV file with a line per box.

    Args:
      found: boxes as COCO results, by "input" and "enhanced".
      ground_truth: COCO's "images" and "categories".
      path: of the file.
    """
    files = {image["id"]: image["file_name"] for image in ground_truth["images"]}
    classes = {category["id"]: category["name"] for category in ground_truth["categories"]}
    header = ["file", "image", "class", "score", "left", "top", "width", "height"]
    rows = (
        [
            files[box["image_id"]],
            image,
            classes[box["category_id"]],
            *(f"{value:.4f}" for value in (box["score"], *box["bbox"])),
        ]
        for image, boxes in found.items()
        for box in boxes
    )
    _save_table(header, rows, path)


def table(means: Mapping[str, Mapping[str, float]], model: str) -> str:
    """Returns the means as text: a line for the input, one or two for the model."""
    columns = [_HEADINGS[name] for name in means["input"]]
    names = {"input": "input", "enhanced": model, "given": f"{model} (given)"}
    label = max(len(names[image]) for image in means) + 2
    lines = [" " * label + "  ".join(f"{column:>9}" for column in columns)]
    for image in means:
        name = names[image]
        cells = [
            f"{_shown(metric, value):>{max(9, len(column))}}"
            for column, (metric, value) in zip(columns, means[image].items())
        ]
        lines.append(f"{name:<{label}}" + "  ".join(cells))
    if "psnr_gt_mean" in means["input"]:
        lines.append("(GT-mean): scaled to the reference's brightness, so it uses the reference")
    if "given" in means:
        lines.append("(given): told the reference's brightness, so it uses the reference")
    return "\n".join(lines)


def save_contact_sheet(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], path: pathlib.Path
) -> None:
    """Writes labelled rows low | enhanced | reference as one picture.

    Args:
      rows: label and three images [H, W, 3], uint8 or uint16, each.
      path: of the PNG.
    """
    names = ("low", "enhanced", "reference")
    save_grid([list(zip((f"{label}\nlow", *names[1:]), images)) for label, images in rows], path)


def _save_table(header: Sequence[str], rows: Iterable[Sequence[str]], path: pathlib.Path) -> None:
    with path.open("w", newline="", encoding="utf-8", errors=_NO_UTF_8) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _cells(metrics: Similarity | Naturalness) -> list[str]:
    values = dataclasses.asdict(metrics).values()
    return ["" if math.isnan(value) else f"{value:.6f}" for value in values]


def _shown(metric: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if metric.startswith(("psnr", "niqe")) else f"{value:.4f}"


def _without_nan(value: Any) -> Any:
    """Returns a JSON value with null in place of NaN, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
