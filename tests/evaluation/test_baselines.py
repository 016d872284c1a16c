"""Enhancement without a network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drgn_tf.errors import UserError
from drgn_tf.evaluation import baselines
from drgn_tf.evaluation.baselines import BASELINES
from drgn_tf.evaluation.methods import Method, check_names

LUMA = [0.299, 0.587, 0.114]
# Rounding to levels moves each pixel by half a level at most.
HALF_A_LEVEL = 0.5 / 255


def brightness(pixels: np.ndarray) -> float:
    return float((pixels @ LUMA).mean() / 255)


@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.8])
def test_gamma_reaches_any_brightness(dark, wanted):
    assert brightness(baselines.gamma_to(dark, wanted)) == pytest.approx(wanted, abs=HALF_A_LEVEL)


def test_gamma_is_one_power_for_all_channels(dark):
    before, after = dark.reshape(-1, 3) / 255, baselines.gamma(dark).reshape(-1, 3) / 255
    # Without the darkest and brightest, where levels are too coarse to tell.
    told = (before > 0.1) & (before < 0.9)
    powers = np.log(after[told]) / np.log(before[told])
    assert np.ptp(powers) < 0.02
    assert brightness(baselines.gamma(dark)) == pytest.approx(0.45, abs=HALF_A_LEVEL)


def test_gamma_leaves_bright_and_black_photos_alone():
    bright = np.full((8, 8, 3), 200, np.uint8)
    np.testing.assert_array_equal(baselines.gamma(bright), bright)
    assert brightness(baselines.gamma_to(bright, 0.3)) == pytest.approx(0.3, abs=HALF_A_LEVEL)
    assert not baselines.gamma(np.zeros((8, 8, 3), np.uint8)).any()


def test_clahe_raises_contrast_and_keeps_hues(dark):
    after = baselines.clahe(dark)
    grey = [image @ LUMA for image in (dark, after)]
    assert grey[1].mean() > 1.2 * grey[0].mean()
    assert grey[1].std() > 1.2 * grey[0].std()
    chroma = [
        cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 1:].astype(float) for image in (dark, after)
    ]
    # But for colours that no screen has, which OpenCV cuts off, and rounding.
    assert np.abs(chroma[1] - chroma[0]).mean() < 1.5


def test_lime_like_brightens_where_it_is_dark(photo):
    half = photo.copy()
    half[:, :200] = half[:, :200] // 8
    after = baselines.lime_like(half)
    gains = [
        after[:, part].mean() / half[:, part].mean() for part in (slice(150), slice(250, None))
    ]
    assert gains[0] > 2.5 * gains[1] > 2.5
    # Ratios of channels stay where no channel is full.
    grey = np.full((40, 40, 3), [20, 40, 10], np.uint8)
    np.testing.assert_allclose(
        baselines.lime_like(grey)[20, 20] / [20, 40, 10], np.full(3, 40**-0.8 * 255**0.8), rtol=0.05
    )


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shape", [(1, 1, 3), (11, 200, 3)])
def test_photos_of_any_size_keep_shape_and_type(name, shape):
    photo = np.random.default_rng(0).integers(0, 60, shape, np.uint8)
    before = photo.copy()
    after = BASELINES[name].enhance(photo)
    assert after.shape == shape and after.dtype == np.uint8
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["net.onnx", "net.onnx"], r"two rows of the table would be called 'net\.onnx'"),
        (["input"], "two rows of the table would be called 'input'"),
        (["gamma (given)", "gamma"], "would be taken for a result of given brightness"),
    ],
)
def test_rows_that_would_be_mistaken_are_refused(names, said):
    with pytest.raises(UserError, match=said):
        check_names([Method(name, baselines.gamma) for name in names])
