"""Photos with boxes: COCO's JSON, or ExDark's text files (Loh and Chan, CVIU 2019)."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from drgn_tf.errors import UserError
from drgn_tf.files import first_line, read_text

# Pixels; no photo is larger.
_LARGEST = 10**6


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Photos with ground-truth boxes.

    Attributes:
      paths: of the photos, by image id.
      ground_truth: COCO's "images", "categories" and "annotations", ids from 1.
    """

    paths: Mapping[int, pathlib.Path]
    ground_truth: Mapping[str, list[dict[str, Any]]]

    def category_ids(self) -> dict[str, int]:
        """Returns the id of each category by its name."""
        return {category["name"]: category["id"] for category in self.ground_truth["categories"]}


def read_annotations(path: str | pathlib.Path, photos: str | pathlib.Path) -> Annotations:
    """Reads the ground-truth boxes of a folder of photos.

    Args:
      path: a COCO JSON file, or a folder of ExDark's text files, PHOTO.txt for each photo, in the
        same subfolders as the photos.
      photos: the folder of the photos.

    Raises:
      UserError: they cannot be read, or name a photo that is missing.
    """
    path, photos = pathlib.Path(path), pathlib.Path(photos)
    if not os.path.isdir(photos):
        raise UserError(f"{photos}: no such folder.")
    if os.path.isdir(path):
        boxes = _read_exdark(path)
    elif os.path.isfile(path):
        boxes = _read_coco(path)
    else:
        raise UserError(
            f"{path}: no such annotations; give a COCO JSON file or a folder of text files."
        )
    missing = [name for name in boxes if not os.path.isfile(photos / name)]
    if missing:
        raise UserError(
            f"{path}: names {missing[0]}, which is not in {photos}"
            + (f" (nor are {len(missing) - 1} more)" if len(missing) > 1 else "")
            + "; add the photo or remove its annotations."
        )
    names = sorted({box["category"] for entries in boxes.values() for box in entries})
    if not names:
        raise UserError(f"{path}: holds no box.")
    category_ids = {name: number for number, name in enumerate(names, start=1)}
    image_ids = {name: number for number, name in enumerate(boxes, start=1)}
    every = [(image_ids[name], box) for name, entries in boxes.items() for box in entries]
    annotations = [
        {
            "id": number,
            "image_id": image_id,
            "category_id": category_ids[box["category"]],
            "bbox": box["bbox"],
            "area": box["bbox"][2] * box["bbox"][3],
            "iscrowd": box["iscrowd"],
        }
        for number, (image_id, box) in enumerate(every, start=1)
    ]
    ground_truth = {
        "images": [{"id": number, "file_name": name} for name, number in image_ids.items()],
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
        "annotations": annotations,
    }
    return Annotations({number: photos / name for name, number in image_ids.items()}, ground_truth)


def _read_coco(path: pathlib.Path) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        categories = {entry["id"]: _text(entry["name"]) for entry in content["categories"]}
        names = {entry["id"]: _inside(_text(entry["file_name"])) for entry in content["images"]}
        annotations = list(content["annotations"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: is no COCO annotation file ({type(error).__name__}: {first_line(error)})."
        ) from error
    boxes: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for number, entry in enumerate(annotations, start=1):
        try:
            name, category = names[entry["image_id"]], categories[entry["category_id"]]
            crowd = entry.get("iscrowd", 0)
            if crowd not in (0, 1):
                raise ValueError(f"iscrowd is {crowd!r:.60}, not 0 or 1")
            boxes[name].append(_box(category, entry["bbox"], int(crowd)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: annotation {number} cannot be used ({type(error).__name__}: "
                f"{first_line(error)}); correct or remove it."
            ) from error
    return boxes


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _inside(name: str) -> str:
    # Results are written to the same names.
    if pathlib.PurePath(name).is_absolute() or ".." in pathlib.PurePath(name).parts:
        raise ValueError(f"{name!r:.200} lies outside of the folder of photos")
    return name


def _read_exdark(folder: pathlib.Path) -> dict[str, list[dict[str, Any]]]:

    def fail(error: OSError) -> None:
        raise UserError(
            f"{error.filename}: cannot be read ({error.strerror}); check its permissions."
        ) from error

    found = (
        pathlib.Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=fail)
        for name in names
        if name.endswith(".txt")
    )
    files = sorted(filter(os.path.isfile, found))
    if not files:
        raise UserError(f"{folder}: holds no text files of annotations.")
    boxes: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        try:
            lines = read_text(file).splitlines()
        except (OSError, ValueError) as error:
            raise UserError(
                f"{file}: is no annotation file of ExDark ({first_line(error)})."
            ) from error
        boxes[name] = []
        for number, line in enumerate(lines, start=1):
            # The first line is "% bbGt version=3"; a line is: class left top width height ...
            if not line.strip() or line.startswith("%"):
                continue
            category, *values = line.split()
            try:
                boxes[name].append(_box(category, [float(value) for value in values[:4]], 0))
            except ValueError as error:
                raise UserError(
                    f"{file}: line {number} is no annotation of ExDark ({first_line(error)}); "
                    "correct or remove it."
                ) from error
    return boxes


def _box(category: str, bbox: object, iscrowd: int) -> dict[str, Any]:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f"a box is 4 numbers, left, top, width and height, not {bbox!r:.60}")
    for value in bbox:
        # Booleans count as integers, and NaN is less than nothing.
        if type(value) not in (int, float) or not abs(value) <= _LARGEST:
            raise ValueError(f"{value!r:.60} is no number of pixels")
    left, top, width, height = map(float, bbox)
    if width < 0 or height < 0:
        raise ValueError(f"a box of {width:g}x{height:g} pixels")
    return {"category": category, "bbox": [left, top, width, height], "iscrowd": iscrowd}
