"""FLIP where it has a closed form: of plain colours, whose edges and blur are nothing."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from drgn_tf.metrics.flip import photo_flip


def _hunt(colour) -> np.ndarray:
    """CIELAB in which the chroma of dark colours is small."""
    lightness, a, b = rgb2lab(np.array(colour, np.float64))
    return np.array([lightness, 0.01 * lightness * a, 0.01 * lightness * b])


def _difference(colour, other) -> float:
    x, y = _hunt(colour), _hunt(other)
    return (abs(x[0] - y[0]) + np.hypot(*(x[1:] - y[1:]))) ** 0.7


def _flip(colour, other) -> float:
    """The equations of Andersson et al., for two plain colours."""
    largest = _difference([0, 1, 0], [0, 0, 1])
    value, knee = _difference(colour, other), 0.4 * largest
    if value < knee:
        return 0.95 * value / knee
    return 0.95 + 0.05 * (value - knee) / (largest - knee)


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ([0.2, 0.2, 0.2], [0.5, 0.5, 0.5]),
        ([0.5, 0.4, 0.3], [0.5, 0.45, 0.3]),
        # Far apart, and not the same with red and blue exchanged.
        ([0.9, 0.1, 0.2], [0.1, 0.6, 0.9]),
        ([0, 0, 1], [0, 1, 0]),
    ],
)
def test_plain_colours_are_as_far_apart_as_the_paper_says(image, reference):
    x, y = (np.full((24, 32, 3), colour, np.float32) for colour in (image, reference))
    # The two have whites of D65 that differ in the fifth digit.
    assert photo_flip(x, y) == pytest.approx(_flip(image, reference), rel=2e-3)


def test_a_channel_that_is_not_contiguous_is_read_right(photo):
    image = photo[:40, :60].astype(np.float32) / 255
    assert photo_flip(image[..., ::-1], image[..., ::-1]) == 0
    assert photo_flip(image[..., ::-1], image) == pytest.approx(
        photo_flip(image[..., ::-1].copy(), image.copy())
    )
