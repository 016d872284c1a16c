"""The output of an evaluation: tables, pictures, and JSON with all that repeating it needs.

results.json       data set, weights with SHA-256, protocol, versions, command, all metrics
per_image.csv      a line per pair and row of the table
unpaired.csv       a line per photo without reference and row of the table
detections.csv     a line per detected box, before and after enhancement
contact_sheet.png  low | enhanced | reference of the best, the median and the worst pair
enhanced/          a folder of enhanced photos for each row of the table, with --save_images

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
from drgn_tf.evaluation.columns import COLUMNS
from drgn_tf.evaluation.image_quality import PhotoMetrics
from drgn_tf.evaluation.methods import GIVEN, INPUT
from drgn_tf.files import make_folder, move, partial_folder, remove_partial, sha256
from drgn_tf.inference.described_driver import DescribedDriver
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
    "tensorflow", "keras", "numpy", "scipy", "pillow", "opencv-python-headless", "ai-edge-litert",
    "onnxruntime", "pycocotools", "scikit-image", "flip-evaluator",
)  # fmt: skip


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


def describe_run(drivers: Sequence[Driver], command: str) -> dict[str, Any]:
    """Returns the weights, versions and command of a run."""
    return {
        "models": [
            {"name": driver.name, "kind": driver.kind, "sha256": sha256(driver.path)}
            | (_description(driver) if isinstance(driver, DescribedDriver) else {})
            for driver in drivers
        ],
        "versions": versions(),
        "command": command,
    }


def _description(driver: DescribedDriver) -> dict[str, Any]:
    entries = dataclasses.asdict(driver.description)
    return {"description": {**entries, "file": driver.path.name}}


def versions() -> dict[str, str]:
    """Returns the versions of the packages that metrics may depend on."""
    found = {"python": platform.python_version(), "drgn-tf": __version__}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def metrics_to_json(photos: Sequence[PhotoMetrics]) -> list[dict[str, Any]]:
    """Returns the metrics of each photo."""
    return [dataclasses.asdict(photo) for photo in photos]


def save_metrics(photos: Sequence[PhotoMetrics], path: pathlib.Path) -> None:
    """Writes a CSV file with a line per photo and row: stem, row, and the metrics."""
    rows = (
        [photo.stem, row, *map(_cell, values.values())]
        for photo in photos
        for row, values in photo.rows.items()
    )
    _save_table(["stem", "row", *photos[0].rows[INPUT]], rows, path)


def save_detections(
    found: Mapping[str, Sequence[dict[str, Any]]],
    ground_truth: Mapping[str, list[dict[str, Any]]],
    path: pathlib.Path,
) -> None:
    """Writes a CSV file with a line per box.

    Args:
      found: boxes as COCO results, by row of the table.
      ground_truth: COCO's "images" and "categories".
      path: of the file.
    """
    files = {image["id"]: image["file_name"] for image in ground_truth["images"]}
    classes = {category["id"]: category["name"] for category in ground_truth["categories"]}
    header = ["file", "row", "class", "score", "left", "top", "width", "height"]
    rows = (
        [
            files[box["image_id"]],
            row,
            classes[box["category_id"]],
            *(f"{value:.4f}" for value in (box["score"], *box["bbox"])),
        ]
        for row, boxes in found.items()
        for box in boxes
    )
    _save_table(header, rows, path)


def table(means: Mapping[str, Mapping[str, float]]) -> str:
    """Returns the means as text, with a line for each row."""
    names = list(means[INPUT])
    label = max(map(len, means)) + 2
    widths = {name: max(9, len(COLUMNS[name].title)) for name in names}
    lines = [" " * label + "  ".join(f"{COLUMNS[name].title:>{widths[name]}}" for name in names)]
    for row, values in means.items():
        cells = [f"{COLUMNS[name].shown(values[name]):>{widths[name]}}" for name in names]
        lines.append(f"{row:<{label}}" + "  ".join(cells))
    if any("GT-mean" in COLUMNS[name].heading for name in names):
        lines.append("(GT-mean): scaled to the reference's brightness, so it uses the reference")
    if any(row.endswith(GIVEN) for row in means):
        lines.append("(given): told the reference's brightness, so it uses the reference")
    return "\n".join(lines)


def _save_table(header: Sequence[str], rows: Iterable[Sequence[str]], path: pathlib.Path) -> None:
    with path.open("w", newline="", encoding="utf-8", errors=_NO_UTF_8) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"


def _without_nan(value: Any) -> Any:
    """Returns a JSON value with null in place of NaN, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
