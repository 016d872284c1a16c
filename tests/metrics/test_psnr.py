"""PSNR."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf import metrics
from tests.tolerances import BLOCK, rounding


def test_psnr_by_hand():
    references = np.full((2, 2, 2, 3), 0.5, np.float32)
    images = references.copy()
    images[0] += 0.1
    images[1, 0, 0, 0] -= 0.3
    expected = [10 * math.log10(1 / 0.1**2), 10 * math.log10(1 / (0.3**2 / 12))]
    np.testing.assert_allclose(metrics.psnr(images, references), expected, rtol=1e-5)
    assert expected[0] == pytest.approx(20)


def test_psnr_of_a_real_photo_is_tensorflows(photo, low_photo):
    high = photo[np.newaxis].astype(np.float32) / 255
    expected = tf.image.psnr(low_photo, high, max_val=1.0)
    # In dB, of a relative error of the mean.
    tolerance = 10 / math.log(10) * rounding(BLOCK)
    np.testing.assert_allclose(metrics.psnr(low_photo, high), expected, atol=tolerance, rtol=0)


def test_psnr_of_identical_images_is_finite(low_photo):
    np.testing.assert_allclose(metrics.psnr(low_photo, low_photo), 100.0, rtol=1e-5)
