from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.models import DRGN, preset
from drgn_tf.training.validation import Validator


class Brighten(keras.Model):
    """Stands for a network whose result is known."""

    def call(self, low, brightness=None, training=False):
        degradation = keras.ops.zeros_like(low) - 0.25
        return {"degradation": degradation, "base": low + 0.25, "enhanced": low + 0.25}


def test_metrics_are_those_of_8_bit_results(photo):
    low = (photo[:64, :96] // 3 / 255.0).astype(np.float32)
    # Half a level above what the network gives: only rounding can tell.
    high = np.round((low + 0.25) * 255.0) / 255.0
    result = Validator(Brighten())([("view", low, high.astype(np.float32))])
    assert result.psnr == pytest.approx(100)
    assert result.ssim == pytest.approx(1.0, abs=1e-4)
    assert result.input_psnr == pytest.approx(12.04, abs=0.1)
    assert result.degradation_mean == pytest.approx((-0.25, -0.25, -0.25))
    assert result.degradation_spread == pytest.approx(0.0, abs=1e-6)
    assert result.base_contrast == pytest.approx(1.0, abs=0.01)


def test_photos_of_any_sizes_are_measured_and_pictured(photo):
    model = DRGN(preset("tiny"))
    model.build()
    high = [photo[:37, :53] / 255.0, photo[:, :350] / 255.0]
    pairs = [(str(i), (x / 4).astype(np.float32), x.astype(np.float32)) for i, x in enumerate(high)]
    # Pictures aside, what is told matters: these are not as bright as the network would have them.
    result = Validator(lambda low, brightness: model(low, brightness=brightness), told=True)(pairs)
    assert result.psnr_given != result.psnr and result.brightness_error > 0
    assert [picture.shape for picture in result.pictures] == [(37, 5 * 53, 3), (274, 5 * 320, 3)]
    np.testing.assert_allclose(result.pictures[0][:, -53:], photo[:37, :53], atol=1)


def test_further_sets_count_unless_nothing_is_to_change(photo):
    high = (photo[:32, :32] / 255.0).astype(np.float32)
    dark = high / 4
    sets = {"kept": [("a", high, high)], "other": [("b", dark, high)]}
    result = Validator(Brighten())([("view", dark, high)], sets=sets)
    assert set(result.sets) == {"kept", "other"}
    assert result.sets["other"]["psnr"] == pytest.approx(result.psnr)
    assert result.sets["kept"]["mean_change"] > 1
    # Of the mean of the two that are dark.
    assert result.score("psnr") == pytest.approx(result.psnr)
