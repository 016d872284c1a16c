"""Detection metrics: precision, recall, IoU and mean average precision.

pycocotools matches the boxes: by descending score, each takes the free ground-truth box of
its class that it overlaps most, from IoU 0.5. Then, over all photos and classes:

    precision   matched boxes over detected boxes, both with a score of at least 0.5
    recall      the same matched boxes over ground-truth boxes
    iou         mean IoU of these matched boxes with the ground truth
    map_50      mean over classes of the average precision at IoU 0.5
    map         the same, mean over IoU 0.50, 0.55, ... 0.95 (COCO's AP)

Precision alone rises when a detector finds less: read it together with the recall. The last
two use boxes of all scores. Ground truth marked as a crowd, and boxes on it, are ignored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

PROTOCOL = (
    "Boxes are matched as by COCO: by descending score, to the free ground-truth box of their "
    "class that they overlap most, from IoU 0.5. precision: matched boxes over detected boxes, "
    "both with a score of at least 0.5, over all photos and classes. recall: the same matched "
    "boxes over ground-truth boxes. iou: mean IoU of these matched boxes. map_50: average "
    "precision at IoU 0.5, mean over classes; map: mean over IoU 0.50, 0.55 ... 0.95 as well "
    "(COCO's AP); both of up to 100 boxes a photo of any score."
)
# Lowest score of the boxes that precision, recall and IoU count.
SCORE = 0.5


@dataclasses.dataclass(frozen=True)
class DetectionMetrics:
    """Values in [0, 1], NaN where the denominator is 0; the module defines them.

    Attributes:
      precision: at score and IoU 0.5.
      recall: at score and IoU 0.5.
      iou: of the boxes that count for the recall.
      map_50: average precision at IoU 0.5.
      map: COCO's average precision.
    """

    precision: float
    recall: float
    iou: float
    map_50: float
    map: float


def detection_metrics(
    ground_truth: Mapping[str, Sequence[Mapping[str, Any]]],
    boxes: Sequence[Mapping[str, Any]],
    categories: Iterable[int] | None = None,
) -> DetectionMetrics:
    """Measures what a detector found.

    Args:
      ground_truth: COCO's "images" ({"id"}), "categories" ({"id", "name"}) and "annotations"
        ({"id" from 1, "image_id", "category_id", "bbox" [x, y, width, height] in pixels, "area",
        "iscrowd"}).
      boxes: {"image_id", "category_id", "bbox", "score"}, as COCO's results.
      categories: ids of the categories to count; by default all.
    """
    # Imported here, because only detection needs it.
    from pycocotools import mask

    evaluation = _matched(ground_truth, boxes, categories)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    counted = matched = true = 0
    overlaps = []
    for result in filter(None, evaluation.evalImgs):
        true += int(np.count_nonzero(np.logical_not(result["gtIgnore"])))
        # Row 0 is IoU 0.5.
        for number, score, match, ignored in zip(
            result["dtIds"], result["dtScores"], result["dtMatches"][0], result["dtIgnore"][0]
        ):
            if score < SCORE or ignored:
                continue
            counted += 1
            if match:
                matched += 1
                pair = (evaluation.cocoDt.anns[number], evaluation.cocoGt.anns[int(match)])
                overlaps.append(mask.iou(*([box["bbox"]] for box in pair), [0])[0, 0])
    precision = evaluation.eval["precision"]  # IoU, recall, class, area, number of boxes
    return DetectionMetrics(
        precision=matched / counted if counted else math.nan,
        recall=matched / true if true else math.nan,
        iou=float(np.mean(overlaps)) if overlaps else math.nan,
        map_50=_mean_precision(precision[0]),
        map=_mean_precision(precision),
    )


def resampled_map_50(
    ground_truth: Mapping[str, Sequence[Mapping[str, Any]]],
    boxes: Sequence[Mapping[str, Any]],
    draws: Iterable[Sequence[int]],
    categories: Iterable[int] | None = None,
) -> list[float]:
    """Returns the mAP 50 of samples of the photos, by which its spread is estimated (bootstrap).

    Args:
      ground_truth: see `detection_metrics`.
      boxes: the same.
      draws: for each sample, the photos: as many as there are, places in the order of their ids;
        photos may be drawn several times.
      categories: see `detection_metrics`.
    """
    evaluation = _matched(ground_truth, boxes, categories, [0.5])
    count = len(evaluation.params.imgIds)
    # Class by class, photo by photo.
    matches = [
        evaluation.evalImgs[start : start + count]
        for start in range(0, len(evaluation.evalImgs), count)
    ]
    values = []
    for drawn in draws:
        evaluation.evalImgs = [of_class[place] for of_class in matches for place in drawn]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        values.append(_mean_precision(evaluation.eval["precision"]))
    return values


def _matched(
    ground_truth: Mapping[str, Sequence[Mapping[str, Any]]],
    boxes: Sequence[Mapping[str, Any]],
    categories: Iterable[int] | None,
    thresholds: Sequence[float] | None = None,
) -> COCOeval:
    """Matches boxes with the ground truth, by default at all of COCO's IoU thresholds."""
    from pycocotools.cocoeval import COCOeval

    found = [
        {**box, "id": number, "area": box["bbox"][2] * box["bbox"][3], "iscrowd": 0}
        for number, box in enumerate(boxes, start=1)
    ]
    # COCOeval prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _index(ground_truth), _index({**ground_truth, "annotations": found}), "bbox"
        )
        parameters = evaluation.params
        parameters.areaRng, parameters.areaRngLbl = [[0, 1e10]], ["all"]
        if categories is not None:
            parameters.catIds = sorted(categories)
        if thresholds is not None:
            parameters.iouThrs = np.array(thresholds)
        evaluation.evaluate()
    return evaluation


def _index(content: Mapping[str, Sequence[Mapping[str, Any]]]) -> COCO:
    from pycocotools.coco import COCO

    index = COCO()
    index.dataset = {
        key: [dict(entry) for entry in content[key]]
        for key in ("images", "categories", "annotations")
    }
    index.createIndex()
    return index


def _mean_precision(precision: np.ndarray) -> float:
    # For the largest number of boxes; -1 marks classes without ground truth.
    values = precision[..., 0, -1]
    values = values[values > -1]
    return float(np.mean(values)) if values.size else math.nan
