"""Luma, and brightness matched to the reference."""

from __future__ import annotations

import numpy as np
import pytest

from drgn_tf import metrics
from tests.tolerances import BLOCK, rounding


def test_luma_weighs_the_channels_as_bt_601_does():
    primaries = np.eye(3, dtype=np.float32)[np.newaxis, np.newaxis]
    np.testing.assert_allclose(metrics.luma(primaries)[0, 0, :, 0], [0.299, 0.587, 0.114])
    white = np.ones((1, 1, 1, 3), np.float32)
    assert float(metrics.luma(white)[0, 0, 0, 0]) == pytest.approx(1.0)


def test_matched_photos_have_the_mean_of_their_references(photo):
    high = photo[np.newaxis].astype(np.float32) / 255
    low = np.concatenate([0.1 * high, 0.4 * high])
    matched = np.asarray(metrics.scale_to_gt_mean(low, np.concatenate([high, high])))
    # Two means, of which each is off.
    np.testing.assert_allclose(matched[0], high[0], atol=2 * rounding(BLOCK))
    np.testing.assert_allclose(matched[1], high[0], atol=2 * rounding(BLOCK))


def test_each_photo_has_a_factor_of_its_own_and_nothing_exceeds_white():
    images = np.full((2, 1, 2, 3), 0.1, np.float32)
    images[1, 0, 0] = 0.9
    references = np.full((2, 1, 2, 3), 0.8, np.float32)
    matched = np.asarray(metrics.scale_to_gt_mean(images, references))
    np.testing.assert_allclose(matched[0], 0.8, rtol=1e-5)
    np.testing.assert_allclose(matched[1, 0, :, 0], [1.0, 0.16], rtol=1e-5)


def test_a_black_photo_stays_black():
    black = np.zeros((1, 4, 4, 3), np.float32)
    matched = metrics.scale_to_gt_mean(black, np.full_like(black, 0.5))
    np.testing.assert_array_equal(matched, black)
