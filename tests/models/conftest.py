"""Networks that the tests of this folder share."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.models import DRGN, preset


def randomise(model: keras.Model, seed: int = 5) -> keras.Model:
    """Leaves no weight at its initial zero, where whole layers would do nothing."""
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        noise = generator.normal(0, 0.05, variable.shape)
        variable.assign(keras.ops.convert_to_numpy(variable) + noise)
    return model


def with_random_weights(**changes) -> DRGN:
    keras.utils.set_random_seed(5)
    model = DRGN(preset("tiny", **changes))
    model.build()
    randomise(model)
    # Into the middle of the range: what is cut off at 0 would agree with anything.
    bias = model.refinement_generator.to_image.bias
    bias.assign(keras.ops.convert_to_numpy(bias) + 0.5)
    return model


@pytest.fixture(scope="session")
def model() -> DRGN:
    """A tiny network whose every weight matters. Not to be changed."""
    return with_random_weights()


@pytest.fixture(scope="session")
def one_step_model() -> DRGN:
    """The same without a degradation generator. Not to be changed."""
    return with_random_weights(two_step=False)


@pytest.fixture(scope="session")
def untold_model() -> DRGN:
    """The same without a brightness. Not to be changed."""
    return with_random_weights(brightness=False)
