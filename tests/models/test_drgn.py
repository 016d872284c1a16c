"""The whole network: what it returns, for which sizes, and what its options do."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.models import DRGN, Discriminator, preset
from drgn_tf.models.brightness import features, of_thumbnails, to_scale
from tests.tolerances import network_rounding

IMAGES = ("degradation", "base", "enhanced")
VALUES = ("brightness", "predicted_brightness")
SIZES = [(1, 1), (2, 3), (5, 9), (37, 53), (64, 48)]
# The unlimited results go up to 7; the root of their mean square is 2.
TOLERANCE = network_rounding(magnitude=2)


@pytest.fixture
def crop(low_photo):
    """A function from a size to a crop of the low-light photo."""
    return lambda height, width: low_photo[:, 100 : 100 + height, 150 : 150 + width]


def test_returns_images_and_brightness(model, untold_model, crop):
    assert set(model(crop(8, 8))) == {*IMAGES, *VALUES}
    assert set(untold_model(crop(8, 8))) == set(IMAGES)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_all_images_have_the_size_of_the_input(model, crop, size, training):
    low = np.repeat(crop(*size), 2, axis=0)
    results = model(low, training=training)
    for name in IMAGES:
        assert results[name].shape == low.shape
    for name in VALUES:
        assert results[name].shape == (2, 1)
    for values in results.values():
        assert values.dtype == tf.float32
        assert np.isfinite(values).all()


@pytest.mark.parametrize("size", SIZES)
def test_base_is_low_minus_degradation(model, crop, size):
    low = crop(*size)
    images = model(low)
    np.testing.assert_array_equal(images["base"], low - images["degradation"].numpy())
    assert np.abs(images["degradation"]).max() > 1e-3


def test_the_second_step_refines_what_the_first_left(model, crop):
    low = crop(64, 48)
    images = model(low, training=True)
    thumbnails = model.thumbnail(low)
    told = features(to_scale(images["brightness"])[:, None, None], of_thumbnails(thumbnails))
    context = np.concatenate([model.context_encoder(thumbnails), told], axis=-1)
    degradation = model.degradation_generator(low, context)
    np.testing.assert_allclose(images["degradation"], degradation, atol=TOLERANCE)
    refined = model.refinement_generator(low - degradation, context)
    np.testing.assert_allclose(images["enhanced"], refined, atol=TOLERANCE)


def test_enhanced_is_limited_except_in_training(model, crop):
    # Contrast beyond any photo's, so that the result leaves the range on both sides.
    low = 20 * (crop(64, 48) - 0.1)
    limited, unlimited = (
        model(low, training=training)["enhanced"].numpy() for training in (False, True)
    )
    assert unlimited.min() < 0 and unlimited.max() > 1
    np.testing.assert_array_equal(limited, np.clip(unlimited, 0, 1))


def test_images_of_a_batch_do_not_influence_each_other(model, low_photo):
    batch = np.concatenate([low_photo[:, :37, :53], 0.3 * low_photo[:, 200:237, 300:353]])
    together = model(batch, training=True)
    for index in range(2):
        alone = model(batch[index : index + 1], training=True)
        for name, image in alone.items():
            np.testing.assert_allclose(together[name][index], image[0], atol=TOLERANCE)


def test_sizes_unknown_until_run_time_change_nothing(model, crop):
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def enhance(low):
        return model(low, training=True)

    for size in SIZES:
        low = np.repeat(crop(*size), 2, axis=0)
        eager, traced = model(low, training=True), enhance(low)
        for name, values in eager.items():
            assert traced[name].shape == values.shape
            np.testing.assert_allclose(traced[name], values, atol=TOLERANCE)
    assert enhance.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (37, 53), (38, 64)])
def test_photo_is_continued_by_its_last_row_and_column(model, crop, size):
    height, width = size
    low = crop(*size)
    grown = np.pad(low, [(0, 0), (0, -height % 4), (0, -width % 4), (0, 0)], mode="edge")
    expected = model(grown, training=True)
    images = model(low, training=True)
    for name in IMAGES:
        np.testing.assert_allclose(images[name], expected[name][:, :height, :width], atol=TOLERANCE)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_every_number_of_scales_runs(crop, scales):
    model = DRGN(preset("tiny", scales=scales))
    low = crop(37, 53)
    assert model(low)["enhanced"].shape == low.shape
    fewer = DRGN(preset("tiny", scales=scales - 1)) if scales > 1 else None
    if fewer is not None:
        fewer.build()
        assert fewer.count_params() < model.count_params()


def test_one_step_has_no_degradation(model, one_step_model, crop):
    low = crop(37, 53)
    images = one_step_model(low)
    np.testing.assert_array_equal(images["degradation"], np.zeros_like(low))
    np.testing.assert_array_equal(images["base"], low)
    saved = model.degradation_generator.count_params()
    assert one_step_model.count_params() == model.count_params() - saved


# ---------------------------------------------------------------- weights


def record_weights(monkeypatch) -> list:
    """Returns a list to which every weight is appended as a layer creates it."""
    created = []
    original = keras.layers.Layer.add_weight

    def add_weight(*args, **kwargs):
        created.append(original(*args, **kwargs))
        return created[-1]

    monkeypatch.setattr(keras.layers.Layer, "add_weight", add_weight)
    return created


@pytest.mark.parametrize(
    "changes", [{}, {"two_step": False}, {"scales": 1}, {"branch_blocks": 3}, {"brightness": False}]
)
def test_all_weights_are_trainable_variables_of_the_model(monkeypatch, changes):
    created = record_weights(monkeypatch)
    model = DRGN(preset("tiny", **changes))
    model.build()
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in created}
    assert not model.non_trainable_variables


def test_no_weight_appears_after_build(monkeypatch, crop):
    model = DRGN(preset("tiny"))
    model.build()
    created = record_weights(monkeypatch)
    model(crop(5, 9), training=True)
    assert not created


def test_all_weights_of_a_discriminator_are_its_variables(monkeypatch):
    created = record_weights(monkeypatch)
    discriminator = Discriminator(widths=(4, 8))
    discriminator.build()
    assert {id(v) for v in discriminator.variables} == {id(v) for v in created}
    # Kernel and bias of each layer; the estimates of the spectral norms are not trained.
    assert len(discriminator.trainable_variables) == 2 * 3
