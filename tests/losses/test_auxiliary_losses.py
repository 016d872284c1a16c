"""What the losses of edges, frequencies and colour see, and what they do not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.losses import (
    charbonnier,
    chroma_difference,
    gradient_difference,
    spectral_difference,
)
from drgn_tf.losses.charbonnier import EPSILON

LOSSES = {
    gradient_difference: EPSILON,
    spectral_difference: 0.0,
    chroma_difference: EPSILON,
}


@pytest.fixture(scope="module")
def crops(photo) -> np.ndarray:
    """Two of 48 by 40 pixels."""
    scaled = photo.astype(np.float32) / 255
    return np.stack([scaled[y : y + 48, x : x + 40] for y, x in ((60, 60), (20, 400))])


@pytest.mark.parametrize("loss", LOSSES)
def test_identical_images_cost_the_smoothing(loss, crops):
    assert float(loss(crops, crops)) == pytest.approx(LOSSES[loss], abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite_where_images_agree(loss, crops):
    images = tf.constant(crops)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = loss(images, crops)
    assert np.isfinite(tape.gradient(value, images)).all()


def test_gradients_by_hand():
    step = np.zeros((1, 2, 3, 1), np.float32)
    step[:, :, 2] = 0.6
    # Across, one of two differences is 0.6; down there are none.
    expected = 0.5 * ((0.6 + EPSILON) / 2 + EPSILON)
    found = float(gradient_difference(step, np.zeros_like(step)))
    assert found == pytest.approx(expected, rel=1e-3)


def test_gradients_do_not_see_brightness(crops):
    assert float(gradient_difference(crops + 0.2, crops)) == pytest.approx(EPSILON, rel=1e-3)


def test_spectrum_is_numpys(crops):
    other = crops[:, ::-1]
    found = np.fft.fft2(crops - other, axes=(1, 2), norm="ortho")
    expected = 0.5 * (np.abs(found.real).mean() + np.abs(found.imag).mean())
    assert float(spectral_difference(crops, other)) == pytest.approx(expected, rel=1e-4)


def test_noise_costs_the_same_in_frequencies_as_in_pixels(crops):
    noise = np.random.default_rng(1).normal(0, 0.05, crops.shape).astype(np.float32)
    # Real and imaginary part share the variance of a complex coefficient.
    in_pixels = float(charbonnier(crops + noise, crops)) / 2**0.5
    assert float(spectral_difference(crops + noise, crops)) == pytest.approx(in_pixels, rel=0.05)


def test_chroma_does_not_see_luminance(crops):
    assert float(chroma_difference(crops + 0.2, crops)) == pytest.approx(EPSILON, rel=1e-2)
    red = crops * np.float32([1.2, 1, 1])
    assert float(chroma_difference(red, crops)) > 0.01


def test_chroma_is_that_of_jpeg(crops):
    other = crops[:, :, ::-1]
    chroma = np.stack(
        [
            np.tensordot(crops - other, row, [[3], [0]])
            for row in ([-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312])
        ]
    )
    expected = np.sqrt(chroma**2 + EPSILON**2).mean()
    assert float(chroma_difference(crops, other)) == pytest.approx(expected, rel=1e-3)
