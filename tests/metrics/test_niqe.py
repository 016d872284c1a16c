"""NIQE."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from drgn_tf.data import sample
from drgn_tf.images.photos import read_photo
from drgn_tf.metrics.niqe import BLOCK, fits, halve, niqe

# By BasicSR 1.4's NIQE in numpy, which gives MATLAB's value to five digits; grey as MATLAB's
# rgb2gray, rounded. Noise: of seed 0 with a standard deviation of 20 levels.
_INDEPENDENT = {
    ("coffee", "plain"): 4.05846,
    ("coffee", "noisy"): 10.08031,
    ("chelsea", "plain"): 2.57208,
    ("chelsea", "noisy"): 9.18276,
}


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    paths = [*sample.training_photos(), *sample.held_out_photos()]
    return {path.stem: read_photo(path) for path in paths}


def noisy(photo: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 20, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name, version", _INDEPENDENT)
def test_niqe_is_that_of_an_independent_implementation(photos, name, version):
    photo = photos[name] if version == "plain" else noisy(photos[name])
    assert niqe(photo) == pytest.approx(_INDEPENDENT[name, version], abs=2e-5)


def test_flat_areas_change_niqe_by_little(photos):
    # The helmet is exactly black in places. There others measure their own round-off.
    assert niqe(photos["astronaut"]) == pytest.approx(3.06664, abs=0.01)


def test_what_lies_beyond_the_last_block_does_not_count(photos):
    photo = photos["chelsea"]
    assert niqe(photo) == niqe(photo[: 3 * BLOCK, : 4 * BLOCK])


def test_halving_is_bicubic_with_antialiasing(photos):
    image = photos["chelsea"][:96, :192, 1].astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((96, 48), Image.Resampling.BICUBIC))
    # Pillow treats edges differently.
    np.testing.assert_allclose(halve(image)[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-3)
    np.testing.assert_allclose(halve(np.full((4, 6), 7.0)), np.full((2, 3), 7.0))


def test_a_black_photo_has_no_niqe():
    assert math.isnan(niqe(np.zeros((200, 200, 3), np.uint8)))


def test_a_small_photo_is_refused(photos):
    assert fits(96, 192)
    assert not fits(96, 191)
    with pytest.raises(ValueError, match="191x96 is too small"):
        niqe(photos["chelsea"][:96, :191])
