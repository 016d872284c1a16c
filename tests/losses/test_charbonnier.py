"""The content loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.losses import charbonnier
from drgn_tf.losses.charbonnier import EPSILON


def test_charbonnier_by_hand():
    references = np.zeros((1, 1, 2, 1), np.float32)
    images = np.float32([0.3, -0.004]).reshape(1, 1, 2, 1)
    expected = (math.sqrt(0.3**2 + 0.003**2) + math.sqrt(0.004**2 + 0.003**2)) / 2
    assert float(charbonnier(images, references, epsilon=0.003)) == pytest.approx(expected)
    default = (math.sqrt(0.3**2 + EPSILON**2) + math.sqrt(0.004**2 + EPSILON**2)) / 2
    assert float(charbonnier(images, references)) == pytest.approx(default)


def test_identical_images_cost_epsilon(low_photo):
    assert float(charbonnier(low_photo, low_photo)) == pytest.approx(EPSILON, rel=1e-4)


def test_large_errors_cost_their_size(low_photo):
    assert float(charbonnier(low_photo + 0.2, low_photo)) == pytest.approx(0.2, rel=1e-4)


def test_gradient_is_finite_where_images_agree():
    images = tf.zeros((1, 4, 4, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = charbonnier(images, tf.zeros_like(images))
    np.testing.assert_array_equal(tape.gradient(loss, images), np.zeros((1, 4, 4, 3)))
