"""Metrics of single photos are those of batches."""

from __future__ import annotations

import numpy as np
import pytest

from drgn_tf import metrics
from drgn_tf.metrics import photo_similarity


@pytest.fixture
def pair(photo, dark) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.float32(x[100:180, 100:196] / 255) for x in (dark, photo))


def test_they_equal_those_of_batches(pair):
    image, reference = pair
    batches = [x[np.newaxis] for x in pair]
    assert photo_similarity.photo_psnr(*pair) == pytest.approx(
        float(metrics.psnr(*batches)[0]), abs=1e-4
    )
    assert photo_similarity.photo_ssim(*pair) == pytest.approx(
        float(metrics.ssim(*batches)[0]), abs=1e-4
    )
    np.testing.assert_allclose(
        photo_similarity.photo_luma(image), metrics.luma(image)[..., 0], atol=1e-6
    )
    np.testing.assert_allclose(
        photo_similarity.scale_photo_to_gt_mean(image, reference),
        np.asarray(metrics.scale_to_gt_mean(*batches))[0],
        atol=1e-5,
    )


def test_a_black_photo_stays_black(pair):
    black = np.zeros_like(pair[0])
    assert not photo_similarity.scale_photo_to_gt_mean(black, pair[1]).any()
