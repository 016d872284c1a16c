"""Photos with boxes: COCO's JSON, or ExDark's text files (Loh and Chan, CVIU 2019)."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping

from drgn_tf.errors import UserError
from drgn_tf.files import first_line


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Photos with true boxes.

    Attributes:
      paths: of the photos, by the id of their image.
      ground_truth: COCO's "images", "categories" and "annotations", ids from 1.
    """

    paths: Mapping[int, pathlib.Path]
    ground_truth: Mapping[str, list[dict]]

    def category_ids(self) -> dict[str, int]:
        """Returns the id of each category by its name."""
        return {category["name"]: category["id"] for category in self.ground_truth["categories"]}


def read_annotations(path: str | pathlib.Path, photos: str | pathlib.Path) -> Annotations:
    """Reads the boxes of a folder of photos.

    Args:
      path: a COCO JSON file, or a folder of ExDark's text files, PHOTO.txt for each photo, in
        the same subfolders as the photos.
      photos: the folder of the photos.

    Raises:
      UserError: they cannot be read, or name a photo that is missing.
    """
    path, photos = pathlib.Path(path), pathlib.Path(photos)
    if not photos.is_dir():
        raise UserError(f"{photos}: no such folder.")
    if path.is_dir():
        boxes = _read_exdark(path)
    elif path.is_file():
        boxes = _read_coco(path)
    else:
        raise UserError(
            f"{path}: no such annotations; give a COCO JSON file or a folder of text files."
        )
    missing = [name for name in boxes if not (photos / name).is_file()]
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


def _read_coco(path: pathlib.Path) -> dict[str, list[dict]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        categories = {entry["id"]: entry["name"] for entry in content["categories"]}
        names = {entry["id"]: entry["file_name"] for entry in content["images"]}
        boxes: dict[str, list[dict]] = {name: [] for name in names.values()}
        for entry in content["annotations"]:
            boxes[names[entry["image_id"]]].append(
                _box(categories[entry["category_id"]], entry["bbox"], entry.get("iscrowd", 0))
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: is no COCO annotation file ({type(error).__name__}: {first_line(error)})."
        ) from error
    return boxes


def _read_exdark(folder: pathlib.Path) -> dict[str, list[dict]]:
    files = sorted(folder.rglob("*.txt"))
    if not files:
        raise UserError(f"{folder}: holds no text files of annotations.")
    boxes = {}
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
            # The first line is "% bbGt version=3"; a line is: class left top width height ...
            rows = [line.split() for line in lines if line.strip() and not line.startswith("%")]
            boxes[name] = [_box(row[0], row[1:5], 0) for row in rows]
        except (OSError, ValueError) as error:
            raise UserError(
                f"{file}: is no annotation file of ExDark ({first_line(error)})."
            ) from error
    return boxes


def _box(category: str, bbox: list, iscrowd: int) -> dict:
    left, top, width, height = map(float, bbox)
    return {"category": category, "bbox": [left, top, width, height], "iscrowd": iscrowd}
