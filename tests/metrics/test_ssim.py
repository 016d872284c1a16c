"""SSIM."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from drgn_tf import metrics
from tests.tolerances import SSIM, SSIM_OF_ONE_WINDOW


@pytest.fixture(scope="module")
def pairs(photo, low_photo) -> tuple[np.ndarray, np.ndarray]:
    """Darkened, noisy and inverted crops of a real photo, and the crops themselves."""
    high = photo[np.newaxis, 100:165, 150:227].astype(np.float32) / 255
    noise = np.random.default_rng(6).normal(0, 0.1, high.shape).astype(np.float32)
    images = [low_photo[:, 100:165, 150:227], np.clip(high + noise, 0, 1), 1 - high]
    return np.concatenate(images), np.repeat(high, 3, axis=0)


def test_ssim_of_each_image_is_tensorflows(pairs):
    images, references = pairs
    expected = tf.image.ssim(images, references, max_val=1.0)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(metrics.ssim(images, references), expected, atol=SSIM, rtol=0)


def test_ssim_of_a_whole_photo_is_that_of_another_library(photo, low_photo):
    # Not TensorFlow's: summing up this many windows, it is off by up to 8e-4.
    high = photo[np.newaxis].astype(np.float32) / 255
    for images in (low_photo, np.clip(1.05 * high, 0, 1)):
        expected = structural_similarity(
            images[0].astype(np.float64),
            high[0].astype(np.float64),
            gaussian_weights=True,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
        )
        assert float(metrics.ssim(images, high)[0]) == pytest.approx(expected, abs=SSIM)
        # The same sums in double precision, which leave nothing to rounding.
        exact = metrics.ssim(images.astype(np.float64), high.astype(np.float64))
        assert float(exact[0]) == pytest.approx(expected, abs=1e-10)


def test_ssim_of_identical_images_is_one(pairs):
    _, references = pairs
    np.testing.assert_allclose(metrics.ssim(references, references), np.ones(3), atol=1e-5)


def test_ssim_of_flat_images_by_hand():
    # Without structure only the luminance term is left.
    images, references = (np.full((1, 11, 11, 1), level, np.float32) for level in (0.2, 0.6))
    c1 = 0.01**2
    expected = (2 * 0.2 * 0.6 + c1) / (0.2**2 + 0.6**2 + c1)
    assert float(metrics.ssim(images, references)[0]) == pytest.approx(
        expected, abs=SSIM_OF_ONE_WINDOW
    )
