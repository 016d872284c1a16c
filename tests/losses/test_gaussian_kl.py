"""The Kullback-Leibler term between degradations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drgn_tf.losses import gaussian_kl
from drgn_tf.losses.gaussian_kl import VARIANCE_FLOOR
from tests.tolerances import rounding


def image(*channels: tuple[float, float]) -> np.ndarray:
    """[1, 4, 6, C] of a given mean and standard deviation in each channel, exactly."""
    checkers = np.where(np.indices((4, 6)).sum(axis=0) % 2, 1.0, -1.0)
    return np.stack([mean + deviation * checkers for mean, deviation in channels], axis=-1)[
        np.newaxis
    ].astype(np.float32)


def divergence(p: tuple[float, float], q: tuple[float, float]) -> float:
    """KL of two Gaussians of given mean and standard deviation, by the textbook."""
    variance_p, variance_q = (deviation**2 + VARIANCE_FLOOR for _, deviation in (p, q))
    squared_distance = (p[0] - q[0]) ** 2
    return (
        0.5 * math.log(variance_q / variance_p)
        + (variance_p + squared_distance) / (2 * variance_q)
        - 0.5
    )


def test_flat_degradations_differ_by_their_means_in_units_of_noise():
    # Deviations of 2.55 levels are added: 2.55 levels apart, half a nat.
    p, q = (image((mean, 0.0)) for mean in (0.1, 0.11))
    assert float(gaussian_kl(p, q)) == pytest.approx(0.5, rel=1e-4)


def test_one_channel_by_hand():
    # Variances 0.01 and 0.04, means 0.2 apart.
    p, q = (0.2, 0.1), (0.0, 0.2)
    floor = VARIANCE_FLOOR
    expected = (
        math.log((0.04 + floor) / (0.01 + floor)) + (0.01 + floor + 0.04) / (0.04 + floor) - 1
    ) / 2
    assert float(gaussian_kl(image(p), image(q))) == pytest.approx(expected, rel=1e-5)
    assert divergence(p, q) == pytest.approx(expected)


def test_it_is_the_mean_over_images_and_channels():
    p = [(-0.3, 0.02), (-0.25, 0.05), (-0.2, 0.1)]
    q = [(-0.2, 0.04), (-0.25, 0.05), (-0.1, 0.03)]
    degradations = np.concatenate([image(*p), image(*q)])
    synthetic = np.concatenate([image(*q), image(*p)])
    expected = np.mean([divergence(a, b) for a, b in [*zip(p, q), *zip(q, p)]])
    returned = float(gaussian_kl(degradations, synthetic))
    # Variances of 4e-4 and more, beside squares of means of 0.09, of 24 values.
    tolerance = rounding(24, 0.09) / 4e-4
    assert returned == pytest.approx(expected, rel=tolerance)


def test_equal_degradations_do_not_diverge(low_photo):
    assert float(gaussian_kl(-low_photo, -low_photo)) == pytest.approx(0, abs=1e-6)


def test_only_mean_and_variance_count(low_photo):
    mirrored = low_photo[:, :, ::-1]
    assert float(gaussian_kl(low_photo, mirrored)) == pytest.approx(0, abs=1e-5)


def test_a_constant_offset_is_seen(low_photo):
    assert float(gaussian_kl(-low_photo, 0.2 - low_photo)) > 0.1


def test_flat_degradations_have_a_finite_divergence():
    expected = 0.1**2 / (2 * VARIANCE_FLOOR)
    returned = float(gaussian_kl(image((-0.3, 0.0)), image((-0.2, 0.0))))
    assert returned == pytest.approx(expected, rel=1e-3)


def test_the_direction_matters():
    narrow, wide = image((0.0, 0.05)), image((0.0, 0.3))
    forward = float(gaussian_kl(narrow, wide))
    backward = float(gaussian_kl(wide, narrow))
    assert forward == pytest.approx(divergence((0, 0.05), (0, 0.3)), rel=1e-4)
    # A narrow synthetic degradation that misses values of the real one costs more.
    assert backward > 5 * forward
