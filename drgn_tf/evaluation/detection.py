"""Object detection before and after enhancement, the paper's second task.

`drgn_tf.data.annotations` reads the ground truth, `drgn_tf.metrics.detection` has the metrics. The
detector is any TFLite or ONNX file that a `drgn_tf.evaluation.detector_layout` describes. It runs
on each photo untouched and enhanced.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from drgn_tf.data.annotations import Annotations
from drgn_tf.errors import UserError
from drgn_tf.evaluation.detector_layout import Layout
from drgn_tf.evaluation.methods import INPUT, Method
from drgn_tf.files import ModelFileError, first_line
from drgn_tf.images.photos import read_photo, to_float, to_uint8
from drgn_tf.inference import trial
from drgn_tf.inference.image_runner import ImageRunner, Outputs, open_runner

# Boxes below this hardly affect any metric, and there are thousands of them.
_LOWEST_SCORE = 0.001

# Pixels; no box is so far away.
_LARGEST = 1e9


@dataclasses.dataclass(frozen=True)
class Boxes:
    """The boxes found in one photo.

    Attributes:
      corners: float32 [N, 4], x and y of the upper left and of the lower right, in pixels.
      scores: float32 [N] in [0, 1].
      classes: int64 [N].
    """

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


class Detector:
    """Runs a detector on photos.

    Args:
      path: a .tflite or .onnx file with one input.
      layout: its inputs and outputs.

    Raises:
      ModelFileError: it cannot be loaded or run, crashes its runtime, or has no image input.
    """

    def __init__(self, path: str | pathlib.Path, layout: Layout):
        self.path = pathlib.Path(path)
        self.layout = layout
        if not self.path.is_file():
            raise ModelFileError(f"{self.path}: no such detector; give a .tflite or .onnx file.")
        if self.path.suffix not in (".tflite", ".onnx"):
            raise ModelFileError(f"{self.path}: is not a .tflite or .onnx file.")
        trial.try_in_process(self.path, __name__, layout.size)
        self._runner, self._channels_first, self.size = _opened(self.path, layout.size)

    def __call__(self, photo: np.ndarray) -> Boxes:
        """Returns the boxes in a photo, uint8 [H, W, 3].

        Raises:
          ModelFileError: the detector's outputs do not match its layout.
        """
        image, (scale_y, scale_x), (top, left) = resize(photo, self.size, self.layout)
        low, high = self.layout.input_range
        image = to_float(image) * (high - low) + low
        if self.layout.channels == "bgr":
            image = image[..., ::-1]
        if self._channels_first:
            image = image.transpose(2, 0, 1)
        outputs = self._runner.run(np.ascontiguousarray(image[np.newaxis], dtype=np.float32))
        try:
            # What is not finite is left out.
            with np.errstate(all="ignore"):
                boxes = decode(outputs, self.layout, self.size)
        except (LookupError, ValueError, TypeError, OverflowError, cv2.error) as error:
            raise ModelFileError(
                f"{self.path}: its outputs do not match the layout of kind {self.layout.kind} "
                f"({first_line(error)})."
            ) from error
        corners = (boxes.corners - [left, top, left, top]) / [scale_x, scale_y, scale_x, scale_y]
        height, width = photo.shape[:2]
        corners = np.clip(corners, 0, [width, height, width, height]).astype(np.float32)
        return Boxes(corners, boxes.scores, boxes.classes)


def resize(
    photo: np.ndarray, size: tuple[int, int], layout: Layout
) -> tuple[np.ndarray, tuple[float, float], tuple[int, int]]:
    """Resizes a photo to a detector's input.

    Returns:
      uint8 [height, width, 3]; the scales of height and width; top and left of the photo in it.
    """
    scales = size[0] / photo.shape[0], size[1] / photo.shape[1]
    if layout.resize_mode == "letterbox":
        scales = min(scales), min(scales)
    height, width = (max(1, round(s * length)) for s, length in zip(scales, photo.shape))
    framed = np.full((*size, 3), layout.pad_value, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    framed[top : top + height, left : left + width] = cv2.resize(photo, (width, height))
    return framed, scales, (top, left)


def decode(outputs: Outputs, layout: Layout, size: tuple[int, int]) -> Boxes:
    """Returns the boxes in a detector's outputs, in pixels of its input.

    Args:
      outputs: tensors by index and by name, with a batch of 1.
      layout: describes them.
      size: (height, width) of the input.
    """
    tensors = {role: outputs[key][0] for role, key in layout.outputs.items()}
    if layout.kind == "ssd":
        corners, scores, classes = _decode_ssd(tensors, layout)
    elif layout.kind == "anchors":
        corners, scores, classes = _decode_anchors(tensors, layout, size)
    elif layout.kind == "fastestdet":
        corners, scores, classes = _decode_fastestdet(tensors["predictions"], layout)
    else:
        predictions = tensors["predictions"]
        rows = predictions if layout.kind == "yolov5" else predictions.T
        by_class = rows[:, 4:] if layout.kind == "yolov8" else rows[:, 5:] * rows[:, 4:5]
        _check_classes(by_class.shape[1], layout)
        corners = _corners(rows[:, :2], rows[:, 2:4])
        scores, classes = by_class.max(axis=1), by_class.argmax(axis=1)
    if layout.units == "normalised":
        corners = corners * [size[1], size[0], size[1], size[0]]
    kept = (scores >= _LOWEST_SCORE) & (classes >= 0) & (classes < len(layout.class_names))
    # NaN and what no photo is as large as, which would be infinite in sums.
    kept &= (np.abs(corners) < _LARGEST).all(axis=1) & np.isfinite(scores)
    corners, scores, classes = corners[kept], scores[kept], classes[kept]
    if layout.nms_iou is not None and len(scores):
        sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        best = cv2.dnn.NMSBoxesBatched(
            sides.tolist(), scores.tolist(), classes.tolist(), 0.0, layout.nms_iou
        )
        corners, scores, classes = corners[best], scores[best], classes[best]
    return Boxes(corners.astype(np.float32), scores.astype(np.float32), classes.astype(np.int64))


def _decode_ssd(
    tensors: Mapping[str, np.ndarray], layout: Layout
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    corners, scores = tensors["boxes"], tensors["scores"]
    classes = tensors.get("classes")
    if classes is None:
        # The scores of all classes for each box.
        scores, classes = scores.max(axis=1), scores.argmax(axis=1)
    count = int(np.ravel(tensors["count"])[0]) if "count" in tensors else len(scores)
    if layout.corners == "yxyx":
        corners = corners[:, [1, 0, 3, 2]]
    return corners[:count], scores[:count], np.round(classes[:count]).astype(np.int64)


def _decode_anchors(
    tensors: Mapping[str, np.ndarray], layout: Layout, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offsets, logits = tensors["boxes"], tensors["scores"]
    # Counted before they are made: a layout could ask for all memory.
    count = sum((size[0] // stride) * (size[1] // stride) * n for stride, n in layout.anchors)
    if len(offsets) != count:
        raise ValueError(f"{len(offsets)} boxes, but the layout's anchors give {count}")
    centres = anchor_centres(layout.anchors, size)
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))
    scales = [1.0, 1.0] if layout.units == "pixels" else [size[1], size[0]]
    corners = _corners(centres / scales + offsets[:, :2], offsets[:, 2:4])
    return corners, scores.max(axis=1), scores.argmax(axis=1)


def _decode_fastestdet(
    predictions: np.ndarray, layout: Layout
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decodes [5 + classes, rows, columns], as the authors' example does."""
    objectness, by_class = predictions[0], predictions[5:]
    _check_classes(len(by_class), layout)
    scores = objectness**0.6 * by_class.max(axis=0) ** 0.4
    rows, columns = objectness.shape
    y, x = np.mgrid[:rows, :columns]
    centres = [(x + np.tanh(predictions[1])) / columns, (y + np.tanh(predictions[2])) / rows]
    sides = 1.0 / (1.0 + np.exp(-np.clip(predictions[3:5], -80.0, 80.0)))
    corners = _corners(np.stack(centres, axis=-1).reshape(-1, 2), sides.reshape(2, -1).T)
    return corners, scores.ravel(), by_class.argmax(axis=0).ravel()


def _check_classes(count: int, layout: Layout) -> None:
    if count != len(layout.class_names):
        raise ValueError(f"{count} classes, but the layout names {len(layout.class_names)}")


def anchor_centres(anchors: tuple[tuple[int, int], ...], size: tuple[int, int]) -> np.ndarray:
    """Returns x and y of all anchors in pixels [N, 2]: grid by grid, row by row."""
    centres = []
    for stride, per_cell in anchors:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = np.mgrid[:rows, :columns].reshape(2, -1) * stride + stride / 2
        centres.append(np.repeat(np.stack([x, y], axis=1), per_cell, axis=0))
    return np.concatenate(centres)


def _corners(centres: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def try_here(path: pathlib.Path, size: tuple[int, int] | None) -> None:
    """Opens a detector in this process and runs it; raises any error, or crashes."""
    runner, channels_first, (height, width) = _opened(path, size)
    shape = (1, 3, height, width) if channels_first else (1, height, width, 3)
    runner.run(np.zeros(shape, np.float32))


def _opened(
    path: pathlib.Path, size: tuple[int, int] | None
) -> tuple[ImageRunner, bool, tuple[int, int]]:
    """Returns what runs it, whether channels come first, and (height, width) of its input."""
    runner = open_runner(path)
    channels_first = runner.channels_first()
    size = runner.size(channels_first) or size
    if size is None:
        raise ModelFileError(f'{path}: takes any size; give "size" in its layout.')
    return runner, channels_first, size


def common_categories(annotations: Annotations, layout: Layout) -> dict[str, int]:
    """Returns the ids of the categories that the detector knows, by name.

    Raises:
      UserError: it knows none of them.
    """
    known = {
        name: number
        for name, number in annotations.category_ids().items()
        if name in layout.class_names
    }
    if not known:
        raise UserError(
            f"none of the annotated classes ({', '.join(annotations.category_ids())}) is among the "
            '"class_names" of the detector layout; use the names of the annotations.'
        )
    return known


def detect_before_and_after(
    methods: Sequence[Method],
    detector: Detector,
    annotations: Annotations,
    keep: Callable[[str, str, np.ndarray], None] = lambda row, name, enhanced: None,
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Runs a detector on each photo, untouched and enhanced, one at a time.

    Args:
      methods: what enhances the photos.
      detector: the detector.
      annotations: the photos.
      keep: called with the name of each row, the photo's name without suffix, and its enhanced
        pixels.

    Yields:
      The boxes of the input and of each method's result, as COCO results.

    Raises:
      UserError: a photo cannot be used.
    """
    category_ids = annotations.category_ids()
    for image in annotations.ground_truth["images"]:
        photo = to_uint8(read_photo(annotations.paths[image["id"]]))
        name = str(pathlib.PurePath(image["file_name"]).with_suffix(""))
        found = {INPUT: detector(photo)}
        for method in methods:
            enhanced = method.enhance(photo)
            keep(method.name, name, enhanced)
            found[method.name] = detector(enhanced)
        class_names = detector.layout.class_names
        yield {
            row: to_coco(boxes, image["id"], class_names, category_ids)
            for row, boxes in found.items()
        }


def to_coco(
    boxes: Boxes, image_id: int, class_names: tuple[str, ...], category_ids: Mapping[str, int]
) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image_id,
            "category_id": category_ids[class_names[number]],
            "bbox": [float(x) for x in (*corners[:2], *(corners[2:] - corners[:2]))],
            "score": float(score),
        }
        for corners, score, number in zip(boxes.corners, boxes.scores, boxes.classes)
        if class_names[number] in category_ids
    ]
