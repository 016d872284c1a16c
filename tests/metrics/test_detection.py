"""Precision, recall, IoU and mAP of boxes."""

from __future__ import annotations

import math

import pytest

from drgn_tf.metrics.detection import detection_metrics, resampled_map_50


def ground_truth(*boxes: tuple, photos: int = 2) -> dict:
    """COCO annotations of (photo, category, bbox[, iscrowd])."""
    return {
        "images": [{"id": number} for number in range(1, photos + 1)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "cup"}],
        "annotations": [
            {
                "id": number,
                "image_id": photo,
                "category_id": category,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": crowd[0] if crowd else 0,
            }
            for number, (photo, category, bbox, *crowd) in enumerate(boxes, start=1)
        ],
    }


def box(photo: int, category: int, bbox: list, score: float) -> dict:
    return {"image_id": photo, "category_id": category, "bbox": bbox, "score": score}


def test_all_found_exactly():
    annotations = ground_truth((1, 1, [10, 10, 20, 20]), (2, 2, [0, 0, 50, 40]))
    boxes = [box(1, 1, [10, 10, 20, 20], 0.9), box(2, 2, [0, 0, 50, 40], 0.6)]
    metrics = detection_metrics(annotations, boxes)
    assert [metrics.precision, metrics.recall, metrics.iou] == [1.0, 1.0, 1.0]
    assert [metrics.map_50, metrics.map] == pytest.approx([1.0, 1.0])


def test_metrics_by_hand():
    annotations = ground_truth(
        (1, 1, [0, 0, 10, 10]), (1, 1, [50, 50, 10, 10]), (2, 1, [0, 0, 10, 10])
    )
    boxes = [
        box(1, 1, [0, 0, 10, 8], 0.9),  # IoU 0.8
        box(1, 1, [0, 0, 10, 9], 0.8),  # of a ground-truth box that is taken
        box(1, 1, [50, 56, 10, 10], 0.7),  # IoU 0.25
        box(2, 1, [0, 0, 10, 6], 0.6),  # IoU 0.6
        box(2, 1, [80, 80, 10, 10], 0.4),  # too low a score to count
    ]
    metrics = detection_metrics(annotations, boxes)
    assert metrics.precision == pytest.approx(2 / 4)
    assert metrics.recall == pytest.approx(2 / 3)
    assert metrics.iou == pytest.approx((0.8 + 0.6) / 2)
    # At IoU 0.5: precision 1 up to recall 1/3, then 2/4 up to 2/3; at 101 recalls.
    assert metrics.map_50 == pytest.approx((34 * 1.0 + 33 * 0.5) / 101)
    assert 0 < metrics.map < metrics.map_50


def test_a_box_of_another_class_or_photo_is_wrong():
    annotations = ground_truth((1, 1, [0, 0, 10, 10]))
    boxes = [box(1, 2, [0, 0, 10, 10], 0.9), box(2, 1, [0, 0, 10, 10], 0.9)]
    metrics = detection_metrics(annotations, boxes)
    assert [metrics.precision, metrics.recall] == [0.0, 0.0]
    assert math.isnan(metrics.iou)


def test_nothing_found():
    metrics = detection_metrics(ground_truth((1, 1, [0, 0, 10, 10])), [])
    assert math.isnan(metrics.precision)
    assert math.isnan(metrics.iou)
    assert [metrics.recall, metrics.map_50, metrics.map] == [0.0, 0.0, 0.0]


def test_boxes_on_a_crowd_count_for_nothing():
    annotations = ground_truth((1, 1, [0, 0, 10, 10]), (1, 1, [40, 40, 50, 50], 1))
    boxes = [box(1, 1, [0, 0, 10, 10], 0.9), box(1, 1, [45, 45, 10, 10], 0.8)]
    metrics = detection_metrics(annotations, boxes)
    assert [metrics.precision, metrics.recall] == [1.0, 1.0]


def test_only_the_categories_asked_for():
    annotations = ground_truth((1, 1, [0, 0, 10, 10]), (1, 2, [50, 50, 10, 10]))
    metrics = detection_metrics(annotations, [box(1, 1, [0, 0, 10, 10], 0.9)], [1])
    assert [metrics.recall, metrics.map] == [1.0, pytest.approx(1.0)]


def test_samples_of_the_photos():
    annotations = ground_truth(
        (1, 1, [0, 0, 10, 10]), (2, 1, [0, 0, 10, 10]),
        (2, 2, [30, 0, 10, 10]), (3, 2, [0, 0, 9, 9]), photos=3,
    )  # fmt: skip
    boxes = [
        box(1, 1, [0, 0, 10, 10], 0.9), box(2, 1, [60, 0, 10, 10], 0.8),
        box(2, 2, [30, 0, 10, 10], 0.7), box(3, 2, [40, 0, 9, 9], 0.9),
    ]  # fmt: skip
    every, first, last = resampled_map_50(annotations, boxes, [[2, 0, 1], [0, 0, 0], [2, 2, 2]])
    assert every == detection_metrics(annotations, boxes).map_50
    assert (first, last) == pytest.approx((1, 0))
