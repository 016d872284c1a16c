"""A small network and dark photos for the tests of the exports."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import pytest

from drgn_tf.exports.calibration import calibration_samples, load_calibration_photos
from drgn_tf.exports.tflite import export_tflite
from drgn_tf.models import DRGN, preset

TFLITE_SIZE = (64, 96)


@pytest.fixture(scope="session")
def tiny_model() -> DRGN:
    """A tiny network whose every weight matters. Not to be changed."""
    keras.utils.set_random_seed(5)
    model = DRGN(preset("tiny"))
    model.build()
    generator = np.random.default_rng(5)
    for variable in model.trainable_variables:
        noise = generator.normal(0, 0.05, variable.shape)
        variable.assign(keras.ops.convert_to_numpy(variable) + noise)
    # Into the middle of the range: what is cut off at 0 or 1 would agree with anything.
    to_image = model.refinement_generator.to_image
    to_image.kernel.assign(0.1 * keras.ops.convert_to_numpy(to_image.kernel))
    to_image.bias.assign(0.1 * keras.ops.convert_to_numpy(to_image.bias) + 0.5)
    return model


@pytest.fixture(scope="session")
def dark_photos() -> list[np.ndarray]:
    """Free photos in low light, uint8 [H, W, 3], of different sizes."""
    return [
        photo[: 200 - 20 * i, : 240 + 8 * i]
        for i, photo in enumerate(load_calibration_photos(None)[:3])
    ]


@pytest.fixture(scope="session")
def samples(tiny_model, dark_photos):
    """Calibration samples for `tflite_file`."""
    return calibration_samples(dark_photos, TFLITE_SIZE, tiny_model.options.thumbnail_size, 9)


@pytest.fixture(scope="session")
def tflite_file(tiny_model, samples, tmp_path_factory):
    """Gives the file of a precision, tiled, 64x96; makes it once. To be read only."""
    folder = tmp_path_factory.mktemp("tflite")

    def made(precision: str) -> pathlib.Path:
        path = folder / f"{precision}.tflite"
        if not path.exists():
            export_tflite(tiny_model, path, precision=precision, size=TFLITE_SIZE, tiled=True,
                          name="tiny", calibration=samples)  # fmt: skip
        return path

    return made
