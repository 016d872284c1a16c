from __future__ import annotations

import numpy as np

from drgn_tf.inference.steady import SteadyBrightness


def test_flicker_is_damped_and_a_cut_is_not():
    steady = SteadyBrightness(frames_per_second=25)
    thumbnail = np.full((1, 4, 4, 3), 0.1, np.float32)
    flicker = [0.4 * (1 + 0.15 * (-1) ** i) for i in range(100)]
    seen = [steady(thumbnail, value) for value in flicker]
    assert np.ptp(seen[50:]) < 0.1 * np.ptp(flicker)
    assert steady(thumbnail + 0.5, 0.7) == 0.7
