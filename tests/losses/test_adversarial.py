"""The game of generator and discriminator."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.losses import discriminator_adversarial, generator_adversarial
from tests.tolerances import rounding

# An exponential and a logarithm, which libraries compute from polynomials of some ten operations.
SOFTPLUS = rounding(20)


def logits(*values: float) -> np.ndarray:
    return np.float32(values).reshape(-1, 1)


def negative_log_sigmoid(z: float) -> float:
    return -math.log(1 / (1 + math.exp(-z)))


def test_a_discriminator_that_cannot_tell():
    assert float(generator_adversarial(logits(0, 0))) == pytest.approx(math.log(2), rel=SOFTPLUS)
    undecided = discriminator_adversarial(logits(0, 0), logits(0, 0))
    assert float(undecided) == pytest.approx(2 * math.log(2), rel=SOFTPLUS)


def test_generator_by_hand():
    expected = (negative_log_sigmoid(1.5) + negative_log_sigmoid(-0.5)) / 2
    assert float(generator_adversarial(logits(1.5, -0.5))) == pytest.approx(expected, rel=SOFTPLUS)


def test_discriminator_by_hand():
    # A made image is to be called unreal: 1 - sigmoid(z) = sigmoid(-z).
    real = (negative_log_sigmoid(2.0) + negative_log_sigmoid(-1.0)) / 2
    fake = (negative_log_sigmoid(3.0) + negative_log_sigmoid(-0.5)) / 2
    returned = discriminator_adversarial(logits(2.0, -1.0), logits(-3.0, 0.5))
    assert float(returned) == pytest.approx(real + fake, rel=SOFTPLUS)


def test_a_generator_that_is_found_out_still_learns():
    """Non-saturating: the gradient is largest where the discriminator is surest."""
    sure = tf.constant(logits(-30.0))
    with tf.GradientTape() as tape:
        tape.watch(sure)
        loss = generator_adversarial(sure)
    assert float(loss) == pytest.approx(30.0, rel=SOFTPLUS)
    assert float(tape.gradient(loss, sure)[0, 0]) == pytest.approx(-1.0, rel=SOFTPLUS)


def test_extreme_logits_stay_finite():
    for sign in (-1, 1):
        assert np.isfinite(generator_adversarial(logits(sign * 1e4)))
        assert np.isfinite(discriminator_adversarial(logits(sign * 1e4), logits(sign * 1e4)))
