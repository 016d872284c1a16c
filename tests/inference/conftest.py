"""A small network and the photos that the tests of this folder share."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.models import DRGN, preset


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """A .keras file of a tiny network in which every weight matters."""
    keras.utils.set_random_seed(5)
    model = DRGN(preset("tiny"))
    model.build()
    generator = np.random.default_rng(5)
    for variable in model.trainable_variables:
        noise = generator.normal(0, 0.05, variable.shape)
        variable.assign(keras.ops.convert_to_numpy(variable) + noise)
    # Into the middle of the range: what is cut off at 0 would agree with anything.
    bias = model.refinement_generator.to_image.bias
    bias.assign(keras.ops.convert_to_numpy(bias) + 0.5)
    path = tmp_path_factory.mktemp("weights") / "tiny.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def driver(tiny_file):
    """The tiny network."""
    return load_driver(tiny_file)


@pytest.fixture(scope="session")
def enhancer(driver):
    """The tiny network, for photos of any size."""
    return Enhancer(driver)


@pytest.fixture(scope="session")
def dark(photo) -> np.ndarray:
    """A real photo in low light, uint8 [300, 451, 3]."""
    return np.round(255 * 0.6 * (photo / 255.0) ** 2.5).astype(np.uint8)
