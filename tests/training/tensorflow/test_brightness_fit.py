"""The brightness that a network proposes, fitted to photos; the rest of the network stays."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

from drgn_tf.brightness import LUMA
from drgn_tf.data import PairedPhotos, PhotometricOptions, TrainingData
from drgn_tf.data.decoded_photos import store_in_memory
from drgn_tf.errors import UserError
from drgn_tf.models import DRGN, preset
from drgn_tf.models.context import thumbnail
from drgn_tf.training.tensorflow.brightness_fit import BrightnessFitOptions, fit_brightness

FEW = BrightnessFitOptions(samples=256, steps=300, context_noise=0.1, exposure_jitter=0.0)


@pytest.fixture(scope="module")
def photos(photo):
    """Parts of a photo, a low-light version of each, and as training data."""
    high = [photo[10 * i : 10 * i + 96, 20 * i : 20 * i + 128] for i in range(12)]
    low = [np.round(255 * 0.5 * (x / 255.0) ** 2.5).astype(np.uint8) for x in high]
    names = [f"part_{i}" for i in range(12)]
    pairs = PairedPhotos(store_in_memory(low, names), store_in_memory(high, names))
    return low, high, TrainingData(pairs, None, functools.partial(thumbnail, size=16))


def network(brightness: bool = True) -> DRGN:
    keras.utils.set_random_seed(3)
    model = DRGN(preset("tiny", brightness=brightness))
    model.build()
    return model


def test_dark_photos_get_the_brightness_of_their_references_and_others_stay(photos):
    low, high, data = photos
    model = network()
    rest = [w.numpy() for w in model.refinement_generator.trainable_variables]
    context = [w.numpy() for w in model.context_encoder.trainable_variables]
    fit_brightness(model, data, PhotometricOptions(), FEW)
    for before, layer in (
        (rest, model.refinement_generator),
        (context, model.context_encoder),
    ):
        for old, new in zip(before, layer.trainable_variables):
            np.testing.assert_array_equal(old, new.numpy())

    def errors(inputs):
        wanted = np.array([(x / 255).mean((0, 1)) @ LUMA for x in high])
        found = [
            float(model.predicted_brightness(x[np.newaxis] / np.float32(255))[0, 0]) for x in inputs
        ]
        return np.abs(np.log2(np.array(found) / wanted))

    # A start from nothing is off by 0.3 and more; 0.1 is a third of a stop.
    assert errors(low).mean() < 0.1
    assert errors(high).mean() < 0.1


def test_what_cannot_be_fitted_is_said(photos):
    with pytest.raises(UserError, match="made without brightness: it predicts none"):
        fit_brightness(network(brightness=False), photos[2], PhotometricOptions(), FEW)
    nowhere = BrightnessFitOptions(samples=1, steps=1, well_lit_luma=(0.98, 0.99))
    with pytest.raises(UserError, match=r"no photo in normal light .* 0\.98 to 0\.99; widen"):
        fit_brightness(network(), photos[2], PhotometricOptions(), nowhere)
    for options, said in (
        (BrightnessFitOptions(samples=10**12), r"samples need at least \d+\.\d GB of memory"),
        (BrightnessFitOptions(16, 5, learning_rate=1e38, well_lit=0.0), "the fit diverged"),
    ):
        with pytest.raises(UserError, match=said):
            fit_brightness(network(), photos[2], PhotometricOptions(), options)


@pytest.mark.parametrize(
    "change",
    [
        {"well_lit": 1.0},
        {"well_lit_luma": (0.5, 0.2)},
        {"steps": 0},
        {"context_noise": -1},
        {"seed": 2**32},
    ],
)
def test_nonsense_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        BrightnessFitOptions(**change)
