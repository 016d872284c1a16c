"""The fast SSIM loss against the metric and against double precision."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from drgn_tf import metrics
from drgn_tf.losses import ssim_loss
from tests.tolerances import SSIM, SSIM_OF_ONE_WINDOW


@pytest.fixture(scope="module")
def high(photo) -> np.ndarray:
    return photo[np.newaxis].astype(np.float32) / 255


def changed(high, low_photo, kind: str) -> np.ndarray:
    noise = np.random.default_rng(4).normal(0, 0.1, high.shape).astype(np.float32)
    return {
        "dark": low_photo,
        "noisy": np.clip(high + noise, 0, 1),
        "inverted": 1 - high,
        "shifted": np.roll(high, 3, axis=2),
    }[kind]


def exact(images: np.ndarray, references: np.ndarray) -> float:
    """1 - SSIM of one image, by another library, in double precision."""
    return 1 - structural_similarity(
        images[0].astype(np.float64),
        references[0].astype(np.float64),
        gaussian_weights=True,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=-1,
    )


@pytest.mark.parametrize("size", [(300, 451), (64, 96), (11, 40), (11, 11)])
@pytest.mark.parametrize("kind", ["dark", "noisy", "inverted", "shifted"])
def test_it_is_one_minus_ssim_on_real_photos(high, low_photo, kind, size):
    images, references = (
        image[:, : size[0], : size[1]] for image in (changed(high, low_photo, kind), high)
    )
    returned = float(ssim_loss(images, references))
    tolerance = SSIM if min(size) > 11 else SSIM_OF_ONE_WINDOW
    assert returned == pytest.approx(exact(images, references), abs=tolerance)
    metric = float(metrics.ssim(images, references)[0])
    assert returned == pytest.approx(1 - metric, abs=tolerance)
    # In double precision only the weights of the window are rounded.
    images, references = images.astype(np.float64), references.astype(np.float64)
    returned = float(ssim_loss(images, references))
    assert returned == pytest.approx(exact(images, references), abs=1e-5)


def test_it_is_the_mean_over_the_batch(high, low_photo):
    images = np.concatenate([low_photo[:, :40, :50], 1 - high[:, 60:100, :50]])
    references = np.concatenate([high[:, :40, :50], high[:, 60:100, :50]])
    expected = [exact(images[index:], references[index:]) for index in range(2)]
    returned = float(ssim_loss(images, references))
    assert returned == pytest.approx(np.mean(expected), abs=SSIM)


def test_identical_images_cost_nothing(high):
    assert float(ssim_loss(high, high)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("size", [(10, 64), (64, 10)])
def test_images_smaller_than_the_window_are_refused(high, size):
    small = high[:, : size[0], : size[1]]
    with pytest.raises(ValueError, match="at least 11x11 pixels, not 10"):
        ssim_loss(small, small)


def test_descending_it_makes_images_more_similar(high):
    references = tf.constant(high[:, :32, :32])
    images = tf.constant(0.3 * high[:, :32, :32])
    with tf.GradientTape() as tape:
        tape.watch(images)
        before = ssim_loss(images, references)
    step = tape.gradient(before, images)
    after = ssim_loss(images - 1e-2 * step / tf.reduce_max(tf.abs(step)), references)
    assert float(after) < float(before)
