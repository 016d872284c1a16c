"""The discriminators."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.models import Discriminator
from tests.tolerances import rounding


@pytest.fixture
def discriminator() -> Discriminator:
    keras.utils.set_random_seed(11)
    made = Discriminator(widths=(4, 8))
    made.build()
    return made


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (37, 53), (64, 48)])
def test_one_logit_per_image_of_any_size(discriminator, low_photo, size):
    images = np.repeat(low_photo[:, : size[0], : size[1]], 3, axis=0)
    logits = discriminator(images)
    assert logits.shape == (3, 1)
    assert np.isfinite(logits).all()


def test_logits_have_no_limits(discriminator, low_photo):
    discriminator.to_logit.layer.bias.assign([-5.0])
    assert discriminator(low_photo[:, :16, :16])[0, 0] < -1


def test_images_of_a_batch_do_not_influence_each_other(discriminator, low_photo):
    batch = np.concatenate([low_photo[:, :16, :16], 1 - low_photo[:, 50:66, 50:66]])
    together = discriminator(batch).numpy()
    alone = [discriminator(batch[index : index + 1]).numpy()[0] for index in range(2)]
    # Convolutions of 27 and 36 products, a mean over 4x4, and 8 products.
    np.testing.assert_allclose(together, alone, atol=rounding(27 + 36 + 16 + 8))
    assert together[0] != together[1]


def test_judging_changes_nothing(discriminator, low_photo):
    images = low_photo[:, :16, :16]
    before = discriminator.get_weights()
    first = discriminator(images)
    np.testing.assert_array_equal(discriminator(images), first)
    for weight, expected in zip(discriminator.get_weights(), before):
        np.testing.assert_array_equal(weight, expected)


def test_training_keeps_every_layer_from_stretching(discriminator, low_photo):
    """No layer makes a difference larger: the largest singular value becomes 1."""
    layers = [*discriminator.convolutions, discriminator.to_logit]
    for layer in layers:
        layer.layer.kernel.assign(7 * layer.layer.kernel)
    for _ in range(50):
        discriminator(low_photo[:, :16, :16], training=True)
    for layer in layers:
        kernel = layer.layer.kernel.numpy()
        largest = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), ord=2)
        assert largest == pytest.approx(1, rel=0.01)
