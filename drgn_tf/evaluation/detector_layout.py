"""The inputs and outputs of a detector, described in a JSON file.

docs/evaluation.md has a layout of each kind:

    ssd          boxes, classes and scores in separate tensors, already decoded
    yolov5       one tensor [1, N, 5 + classes]: box, objectness, classes
    yolov8       one tensor [1, 4 + classes, N]: box, classes
    anchors      one tensor of offsets to the centres of cells, one of scores (BlazeFace)
    fastestdet   one tensor [1, 5 + classes, rows, columns]: objectness, box, classes (FastestDet)
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from drgn_tf.descriptions import (
    LARGEST_SIDE,
    SIZE,
    Form,
    check,
    is_number,
    is_pair,
    one_of,
    read_object,
)
from drgn_tf.errors import UserError

_YOLO: dict[str, Any] = {
    "units": "pixels",
    "resize_mode": "letterbox",
    "nms_iou": 0.45,
    "outputs": {"predictions": 0},
}
# Defaults of each kind.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "ssd": {
        "units": "normalised",
        "resize_mode": "stretch",
        "nms_iou": None,
        "outputs": {"boxes": 0, "classes": 1, "scores": 2, "count": 3},
    },
    "yolov5": _YOLO,
    "yolov8": _YOLO,
    "fastestdet": {
        "units": "normalised",
        "resize_mode": "stretch",
        "nms_iou": 0.45,
        "channels": "bgr",
        "outputs": {"predictions": 0},
    },
    "anchors": {
        "units": "pixels",
        "resize_mode": "letterbox",
        "nms_iou": 0.3,
        "outputs": {"boxes": 0, "scores": 1},
    },
}

# For each entry a check of its value, and the expected form in words.
_FORMS: dict[str, Form] = {
    "kind": one_of(*_DEFAULTS),
    "class_names": (
        lambda value: (
            isinstance(value, list) and value and all(isinstance(name, str) for name in value)
        ),
        "a list of the names of the classes",
    ),
    "units": one_of("normalised", "pixels"),
    "resize_mode": one_of("letterbox", "stretch"),
    "nms_iou": (
        lambda value: value is None or is_number(value, 1e-6, 1 - 1e-6),
        "a number between 0 and 1, or null",
    ),
    "outputs": (
        lambda value: (
            isinstance(value, dict) and all(isinstance(key, (int, str)) for key in value.values())
        ),
        "an object: the index or name of a tensor for each role",
    ),
    "size": SIZE,
    "input_range": (lambda value: is_pair(value, -1e6, 1e6), "two numbers, at most a million"),
    "channels": one_of("rgb", "bgr"),
    "pad_value": (lambda value: is_number(value, 0, 255, int), "a level from 0 to 255"),
    "corners": one_of("yxyx", "xyxy"),
    "anchors": (
        lambda value: (
            isinstance(value, list)
            and value
            and all(is_pair(grid, 1, LARGEST_SIDE, int) for grid in value)
        ),
        "a list of [stride, anchors per cell] of each grid, whole numbers",
    ),
}


# Entries of earlier releases, with their new names.
_RENAMED = {"fit": "resize_mode", "fill": "pad_value", "suppression": "nms_iou"}


@dataclasses.dataclass(frozen=True)
class Layout:
    """The inputs and outputs of a detector.

    Attributes:
      kind: "ssd", "yolov5", "yolov8", "fastestdet" or "anchors"; see the module.
      class_names: by class number, spelled as in the annotations.
      units: of the boxes: "normalised" to [0, 1] or "pixels" of the detector's input.
      resize_mode: how a photo is resized to the input: "letterbox" keeps its proportions and
        centres it in a grey frame; "stretch" does not.
      nms_iou: IoU above which the lower-scored of two boxes of a class is dropped; None drops none.
      outputs: index or name of the tensor for each role.
      size: (height, width) of the input, for files without a fixed size.
      input_range: the values that 0 and 255 become.
      channels: "rgb" or "bgr".
      pad_value: grey level of the frame, 0 to 255.
      corners: order of an "ssd" box: "yxyx" or "xyxy".
      anchors: for the kind "anchors", (stride in pixels, anchors per cell) of each grid.
    """

    kind: str
    class_names: tuple[str, ...]
    units: str
    resize_mode: str
    nms_iou: float | None
    outputs: Mapping[str, int | str]
    size: tuple[int, int] | None = None
    input_range: tuple[float, float] = (0.0, 1.0)
    channels: str = "rgb"
    pad_value: int = 114
    corners: str = "yxyx"
    anchors: tuple[tuple[int, int], ...] = ()


def read_layout(path: str | pathlib.Path) -> Layout:
    """Reads the description of a detector from a JSON file.

    Raises:
      UserError: it cannot be read, or does not describe a detector.
    """
    content = read_object(path, "a detector layout")
    if content.get("kind") not in tuple(_DEFAULTS):
        raise UserError(
            f'{path}: unknown kind of detector layout; "kind" must be one of '
            f"{', '.join(_DEFAULTS)}."
        )
    content = {**_DEFAULTS[content["kind"]], **content}
    content.setdefault("class_names", [])
    if content["kind"] == "anchors":
        content.setdefault("anchors", [])
    for old, new in _RENAMED.items():
        if old in content:
            raise UserError(f'{path}: "{old}" is now "{new}".')
    check(content, _FORMS, path)
    missing = _DEFAULTS[content["kind"]]["outputs"].keys() - content["outputs"].keys()
    missing -= {"classes", "count"}
    if missing:
        raise UserError(f'{path}: "outputs" does not say which tensor holds {min(missing)}.')
    for name in ("class_names", "size", "input_range", "anchors"):
        if name in content:
            content[name] = tuple(
                tuple(entry) if isinstance(entry, list) else entry for entry in content[name]
            )
    return Layout(**content)
