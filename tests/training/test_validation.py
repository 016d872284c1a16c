from __future__ import annotations

import numpy as np
import pytest

from drgn_tf.brightness import AUTOMATIC, DARKEST
from drgn_tf.models import DRGN, preset
from drgn_tf.training.validation import SET_FIELDS, Validator


def brighten(low, brightness):
    """Stands for a network whose result is known."""
    assert brightness.shape == (1, 1)
    return {"degradation": 0 * low - 0.25, "base": low + 0.25, "enhanced": low + 0.25}


def told(low, brightness):
    """Stands for a network that makes photos as bright as it is told, or half as bright as white.

    Its photos are grey: mean luma is the mean.
    """
    wanted = float(brightness[0, 0]) or 0.5
    enhanced = low * (wanted / low.mean())
    return {
        "degradation": low - enhanced,
        "base": enhanced,
        "enhanced": enhanced,
        "predicted_brightness": np.float32([[0.5]]),
    }


def test_metrics_are_those_of_8_bit_results(photo):
    low = (photo[:64, :96] // 3 / 255.0).astype(np.float32)
    # Half a level above what the network gives: only rounding can tell.
    high = np.round((low + 0.25) * 255.0) / 255.0
    result = Validator(brighten)([("view", low, high.astype(np.float32))])
    assert result.psnr == pytest.approx(100)
    assert result.ssim == pytest.approx(1.0, abs=1e-4)
    assert result.input_psnr == pytest.approx(12.04, abs=0.1)
    assert result.degradation_mean == pytest.approx((-0.25, -0.25, -0.25))
    assert result.degradation_spread == pytest.approx(0.0, abs=1e-6)
    assert result.base_contrast == pytest.approx(1.0, abs=0.01)
    assert result.base_to_enhanced == pytest.approx(1.0, abs=0.01)
    assert result.mean_change == pytest.approx(0.25 * 255, abs=0.5)
    # A network that takes no brightness is given none.
    assert (result.psnr_given, result.ssim_given) == (result.psnr, result.ssim)
    assert result.brightness_error == 0


def test_photos_of_any_sizes_are_measured_and_pictured(photo):
    model = DRGN(preset("tiny"))
    model.build()
    high = [photo[:37, :53] / 255.0, photo[:, :350] / 255.0]
    pairs = [(str(i), (x / 4).astype(np.float32), x.astype(np.float32)) for i, x in enumerate(high)]
    result = Validator(lambda low, brightness: model(low, brightness=brightness), told=True)(pairs)
    assert [picture.shape for picture in result.pictures] == [(37, 5 * 53, 3), (274, 5 * 320, 3)]
    np.testing.assert_allclose(result.pictures[0][:, -53:], photo[:37, :53], atol=1)


@pytest.fixture
def grey(photo) -> np.ndarray:
    """Part of a real photo without colour, float32 [64, 96, 3], mean 0.25."""
    view = np.repeat(photo[80:144, 150:246, 1:2], 3, axis=2).astype(np.float32) / 255
    return view * (0.25 / view.mean())


def test_given_brightness_is_measured_beside_automatic(grey):
    result = Validator(told, told=True)([("view", grey / 4, grey)])
    # 8 bits of a photo that is right: the error is that of rounding, 10 log10(12 * 255^2).
    assert result.psnr_given == pytest.approx(58.9, abs=0.5)
    assert result.ssim_given == pytest.approx(1.0, abs=2e-3)
    error = np.mean(np.square(np.clip(2 * grey, 0, 1) - grey))
    assert result.psnr == pytest.approx(-10 * np.log10(error), abs=0.1)
    # 0.5 instead of 0.25 is twice as bright: 2.2 stops.
    assert result.brightness_error == pytest.approx(2.2, abs=0.01)
    assert "brightness given: 58." in result.summary


def test_sets_are_measured_apart_and_the_score_is_of_what_is_to_change(grey):
    sets = {"dark": [("view", grey / 3, grey)], "untouched": [("view", grey, grey)]}
    result = Validator(told, told=True)([("view", grey / 4, grey)], sets=sets)
    alone = Validator(told, told=True)(sets["dark"])
    assert {name: getattr(alone, name) for name in SET_FIELDS} == result.sets["dark"]
    same = result.sets["untouched"]
    # Here the network decides: what is its own reference tells nothing.
    assert same["psnr_given"] == same["psnr"]
    assert same["input_psnr"] == 100
    assert same["mean_change"] == pytest.approx(255 * 0.25, rel=0.05)
    for name in ("psnr", "ssim_given"):
        both = getattr(result, name), result.sets["dark"][name]
        assert result.score(name) == pytest.approx(np.mean(both))
    assert "untouched" in result.summary and "\n" not in result.summary
    assert "pictures" not in result.to_dict() and result.to_dict()["sets"] == result.sets
    assert len(result.pictures) == 1


def test_score_without_further_sets_is_that_of_the_pairs(grey):
    result = Validator(told, told=True)([("view", grey / 4, grey)])
    assert result.score("ssim") == result.ssim


def test_a_black_reference_is_given_as_dark_as_can_be_told(grey):
    asked = []

    def run(low, brightness):
        asked.append(float(brightness[0, 0]))
        return told(low, brightness)

    Validator(run, told=True)([("view", grey, 0 * grey)])
    assert asked == [AUTOMATIC, pytest.approx(DARKEST)]
