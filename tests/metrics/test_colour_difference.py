"""CIEDE2000 by the pairs that Sharma, Wu and Dalal published to test implementations."""

from __future__ import annotations

import numpy as np
import pytest

from drgn_tf.metrics import colour_difference
from drgn_tf.metrics.colour_difference import photo_ciede2000

# L, a, b of two colours, and their difference to four digits.
PAIRS = np.array(
    [
        [50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425],
        [50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615],
        [50.0, 2.8361, -74.0200, 50.0, 0.0, -82.7485, 3.4412],
        [50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0000],
        [50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669],
        # The mean of two hues jumps where they are opposite.
        [50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0009, 7.1792],
        [50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0011, 7.2195],
        [50.0, -0.0010, 2.4900, 50.0, 0.0009, -2.4900, 4.8045],
        [50.0, -0.0010, 2.4900, 50.0, 0.0011, -2.4900, 4.7461],
        [50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065],
        [50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492],
        [50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977],
        [50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.9030],
        [50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535],
        [50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


@pytest.fixture
def in_lab(monkeypatch):
    """Images are taken to be CIELAB: some of the published colours are no sRGB."""
    monkeypatch.setattr(colour_difference, "rgb2lab", lambda image: image)


def test_published_pairs_have_their_published_differences(in_lab):
    for *colours, difference in PAIRS:
        image, reference = np.reshape(colours, (2, 1, 1, 3))
        assert photo_ciede2000(image, reference) == pytest.approx(difference, abs=5e-5)


def test_a_photo_has_the_mean_of_its_pixels(in_lab, monkeypatch):
    image, reference = PAIRS[:, :3].reshape(8, 3, 3), PAIRS[:, 3:6].reshape(8, 3, 3)
    # Rows at a time: 3, 3 and 2.
    monkeypatch.setattr(colour_difference, "_PIXELS", 9)
    expected = PAIRS[:, 6].mean()
    assert photo_ciede2000(image, reference) == pytest.approx(expected, abs=5e-5)


def test_black_and_white_are_as_far_apart_as_it_gets():
    black, white = np.zeros((4, 4, 3), np.float32), np.ones((4, 4, 3), np.float32)
    # Lightness 100; the white of sRGB is grey to four digits.
    assert photo_ciede2000(black, white) == pytest.approx(100, abs=1e-2)
