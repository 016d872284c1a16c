"""A network that is told how bright its result is to be, or predicts it."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.brightness import AUTOMATIC, BRIGHTEST, DARKEST, GAMMA, LUMA, expose
from drgn_tf.models import DRGN, preset
from drgn_tf.models.brightness import (
    MIDDLE,
    BrightnessPredictor,
    choose,
    features,
    from_scale,
    of_thumbnails,
    to_scale,
)

# ---------------------------------------------------------------- the scale


def test_scale_and_its_inverse():
    values = np.linspace(DARKEST, BRIGHTEST, 50, dtype=np.float32)
    np.testing.assert_allclose(from_scale(to_scale(values)), values, rtol=1e-5)
    np.testing.assert_allclose(
        to_scale(np.float32([MIDDLE, MIDDLE / 4, 2 * MIDDLE])), [0, -2, 1], atol=1e-6
    )


def test_a_stop_is_as_long_everywhere_on_the_scale():
    dark, bright = np.float32([0.05, 0.5])
    for value in (dark, bright):
        length = to_scale(np.float32(expose(value, 1.0))) - to_scale(value)
        assert float(length) == pytest.approx(1 / GAMMA, abs=1e-5)


@pytest.mark.parametrize(("value", "limit"), [(0.0, DARKEST), (-1.0, DARKEST), (2.0, BRIGHTEST)])
def test_scale_is_limited_and_its_gradient_finite(value, limit):
    brightness = tf.constant([value])
    with tf.GradientTape() as tape:
        tape.watch(brightness)
        scale = to_scale(brightness)
    assert float(from_scale(scale)[0]) == pytest.approx(limit, rel=1e-5)
    assert np.isfinite(tape.gradient(scale, brightness)).all()


@pytest.mark.parametrize("given", [DARKEST, 0.3, 1.0])
def test_what_is_given_is_chosen_and_zero_is_the_prediction(given):
    predicted = np.full((2, 1, 1, 1), 0.7, np.float32)
    chosen = choose(np.float32([given, AUTOMATIC]).reshape(2, 1, 1, 1), predicted)
    assert float(chosen[0, 0, 0, 0]) == pytest.approx(float(to_scale(np.float32(given))), abs=1e-6)
    assert float(chosen[1, 0, 0, 0]) == np.float32(0.7)


def test_brighter_and_darker_are_told_apart():
    wanted, own = (np.float32(x).reshape(3, 1, 1, 1) for x in ([-2, 0.5, 1], [-0.5, 0, 1]))
    told = np.asarray(features(wanted, own))
    # The last photo has the wanted brightness already.
    expected = [[-2, -1.5, 1.5, 2.25], [0.5, 0.5, 0, 0.25], [1, 0, 0, 0]]
    np.testing.assert_allclose(told[:, 0, 0], expected)


def test_brightness_of_thumbnails_is_that_of_their_luma():
    photos = np.random.default_rng(4).uniform(0, 0.5, (2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(
        of_thumbnails(photos)[:, 0, 0, 0], to_scale(photos.mean((1, 2)) @ LUMA), atol=1e-5
    )
    # A black photo has a finite one, below all that can be asked for.
    black = float(of_thumbnails(np.zeros((1, 16, 16, 3), np.float32))[0, 0, 0, 0])
    assert -10 < black < float(to_scale(np.float32(DARKEST)))


def test_a_new_predictor_proposes_the_middle_and_none_leaves_the_range():
    context = np.random.default_rng(3).normal(0, 1, (4, 1, 1, 8)).astype(np.float32)
    dark = np.full((4, 1, 1, 1), -5, np.float32)
    predictor = BrightnessPredictor()
    np.testing.assert_allclose(from_scale(predictor(context, dark)), MIDDLE, rtol=1e-6)
    # A photo that is brighter stays as it is.
    np.testing.assert_array_equal(predictor(context, 0 * dark + 0.5), 0 * dark + 0.5)
    for bias, limit in ((1e4, BRIGHTEST), (-1e4, DARKEST)):
        predictor.output_layer.bias.assign([bias])
        np.testing.assert_allclose(from_scale(predictor(context, dark)), limit, rtol=1e-5)
    assert BrightnessPredictor.from_config(BrightnessPredictor(8).get_config()).width == 8


# ---------------------------------------------------------------- the network


@pytest.fixture(scope="module")
def low(low_photo) -> np.ndarray:
    """Two crops of different brightness."""
    return np.concatenate([low_photo[:, 100:137, 150:203], 0.4 * low_photo[:, 200:237, 300:353]])


def test_the_brightness_given_is_aimed_at(model, low):
    results = model(low, brightness=np.float32([0.3, 0.7]))
    np.testing.assert_allclose(results["brightness"], [[0.3], [0.7]], rtol=1e-5)
    other = model(low, brightness=np.float32([0.3, 0.6]))
    for name in ("degradation", "base", "enhanced"):
        np.testing.assert_allclose(other[name][0], results[name][0], atol=1e-6)
        assert np.abs(other[name][1] - results[name][1]).max() > 1e-4
    # What it would have been by itself does not depend on what is asked for.
    np.testing.assert_array_equal(other["predicted_brightness"], results["predicted_brightness"])


def test_zero_and_none_take_the_prediction(model, low):
    results = model(low)
    predicted = results["predicted_brightness"].numpy()
    np.testing.assert_array_equal(results["brightness"], predicted)
    # It differs between photos: that of one is not that of all.
    assert abs(predicted[0, 0] - predicted[1, 0]) > 1e-4
    np.testing.assert_array_equal(model.predicted_brightness(low), predicted)
    thumbnails = model.thumbnail(low)
    np.testing.assert_array_equal(model.predicted_brightness(low[:, :4], thumbnails), predicted)
    for given in (np.zeros(2, np.float32), np.zeros((2, 1), np.float32), predicted):
        again = model(low, brightness=given)
        for name, values in results.items():
            np.testing.assert_allclose(again[name], values, atol=2e-6)


def test_each_sample_of_a_batch_may_be_given_or_automatic(model, low):
    mixed = model(low, brightness=np.float32([[AUTOMATIC], [0.6]]))
    for index, brightness in ((0, None), (1, np.float32([0.6]))):
        alone = model(low[index : index + 1], brightness=brightness)
        for name, values in alone.items():
            np.testing.assert_allclose(mixed[name][index], values[0], atol=2e-6)


def test_crops_are_told_the_brightness_of_their_photo(model, low):
    thumbnails = model.thumbnail(low)
    whole = model(low, thumbnails)
    part = model(low[:, :16, :24], thumbnails)
    np.testing.assert_array_equal(part["brightness"], whole["brightness"])


def test_a_network_without_the_option_refuses_a_brightness(untold_model, low):
    with pytest.raises(ValueError, match=r"without options\.brightness"):
        untold_model(low, brightness=np.float32([0.3, 0.7]))
    with pytest.raises(ValueError, match=r"without options\.brightness"):
        untold_model.predicted_brightness(low)


def test_sizes_and_batches_unknown_until_run_time_take_a_brightness(model, low):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3]),
            tf.TensorSpec([None, 16, 16, 3]),
            tf.TensorSpec([None, 1]),
        ]
    )
    def enhance(images, thumbnails, brightness):
        return model(images, thumbnails, brightness)

    thumbnails = model.thumbnail(low).numpy()
    for count, brightness in ((1, [[0.6]]), (2, [[0.0], [0.2]])):
        arguments = low[:count], thumbnails[:count], np.float32(brightness)
        for name, values in model(*arguments).items():
            np.testing.assert_allclose(enhance(*arguments)[name], values, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_photos_have_a_brightness(model, value):
    for brightness in (None, np.float32([DARKEST]), np.float32([1.0])):
        results = model(np.full((1, 1, 1, 3), value, np.float32), brightness=brightness)
        for values in results.values():
            assert np.isfinite(values).all()


def test_mixed_precision_keeps_brightness_in_32_bits(low):
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = DRGN(preset("tiny"))
        model.build()
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    results = model(low, brightness=np.float32([0.301, 0.7]))
    assert {values.dtype for values in results.values()} == {tf.float32}
    np.testing.assert_allclose(results["brightness"], [[0.301], [0.7]], rtol=1e-5)
    assert math.isclose(float(results["predicted_brightness"][0, 0]), MIDDLE, rel_tol=1e-5)
