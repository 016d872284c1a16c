"""One brightness for the frames of a film and for the photos of a series."""

from __future__ import annotations

import numpy as np
import pytest

from drgn_tf.inference.steady import SteadyBrightness, common_brightness


def scene(value: float) -> np.ndarray:
    return np.full((1, 4, 4, 3), value, np.float32)


def test_flicker_is_damped_and_a_cut_is_not():
    steady = SteadyBrightness(frames_per_second=25)
    flicker = [0.4 * (1 + 0.15 * (-1) ** i) for i in range(100)]
    seen = [steady(scene(0.1), value) for value in flicker]
    assert np.ptp(seen[50:]) < 0.1 * np.ptp(flicker)
    assert np.mean(seen[50:]) == pytest.approx(0.4, rel=0.03)
    assert steady(scene(0.6), 0.8) == 0.8


@pytest.mark.parametrize("rate", [10, 60])
def test_a_change_is_followed_within_a_second_whatever_the_frame_rate(rate):
    steady = SteadyBrightness(rate)
    steady(scene(0.2), 0.2)
    seen = [steady(scene(0.2), 0.8) for _ in range(rate)]
    assert (np.diff(seen) > 0).all()
    # What is left of the ratio after the time constant is its power of 1 / e.
    assert seen[-1] == pytest.approx(0.8 * 0.25 ** np.exp(-1), rel=1e-6)


def test_black_frames_have_a_brightness():
    steady = SteadyBrightness(25)
    assert [steady(scene(0.0), 0.3) for _ in range(3)] == [0.3, 0.3, 0.3]


def test_the_brightness_of_a_series_is_the_median():
    assert common_brightness([0.2, 0.5, 0.3]) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no photo"):
        common_brightness(iter([]))
