"""A small network, what is exported of it, and dark photos."""

from __future__ import annotations

import fcntl
import os
import pathlib

import numpy as np
import pytest

from drgn_tf.data import photometric, sample
from drgn_tf.exports.calibration import calibration_samples
from drgn_tf.exports.onnx import export_onnx
from drgn_tf.exports.saved_model import ServingOptions, export_saved_model
from drgn_tf.exports.tflite import export_tflite
from drgn_tf.images.photos import read_photo, to_float, to_uint8
from drgn_tf.inference import photo_thumbnail
from drgn_tf.models import DRGN
from tests.networks import with_random_weights

TFLITE_SIZE = (64, 96)


@pytest.fixture(scope="session")
def tiny_model() -> DRGN:
    """A tiny network that takes a brightness, whose every weight matters. Not to be changed."""
    return with_random_weights(gain=0.1)


@pytest.fixture(scope="session")
def plain_model() -> DRGN:
    """A tiny network that takes no brightness. Not to be changed."""
    return with_random_weights(gain=0.1, brightness=False)


@pytest.fixture(scope="session")
def dark_photos() -> list[np.ndarray]:
    """Parts of a free photo in low light, uint8 [H, W, 3], of different sizes."""
    photo = to_float(read_photo(sample.training_photos()[0])[:256, :256])
    options, thumbnail = photometric.PhotometricOptions(), photo_thumbnail(photo, 32)[0]
    photos = []
    for i in range(3):
        parameters = photometric.draw_parameters(options, thumbnail, (0, i))
        dark = photometric.darken(photo, parameters, (0, i), options).numpy()
        photos.append(to_uint8(dark[: 200 - 20 * i, : 240 + 8 * i]))
    return photos


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Makes a file or folder once for all processes of the test run. To be read only."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, partial = root / "artefacts", tmp_path_factory.mktemp("partial")
    folder.mkdir(exist_ok=True)

    def made(name: str, write) -> pathlib.Path:
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / name).exists():
                write(partial / name)
                # Exports leave nothing beside what they write.
                assert os.listdir(partial) == [name]
                (partial / name).rename(folder / name)
        return folder / name

    return made


@pytest.fixture(scope="session")
def samples(tiny_model, dark_photos):
    """Calibration samples for `tflite_file`."""
    return calibration_samples(dark_photos, TFLITE_SIZE, tiny_model.options.thumbnail_size, 9)


@pytest.fixture(scope="session")
def tflite_file(tiny_model, samples, made_once):
    """Gives a .tflite file, by default tiled, 64x96. To be read only."""
    known = {}

    def file(precision: str, size=TFLITE_SIZE, flavour="tiled") -> pathlib.Path:
        def write(path):
            calibration = samples if precision.startswith("int") else ()
            export_tflite(tiny_model, path, precision=precision, size=size, flavour=flavour,
                          name="tiny", calibration=calibration, known=known)  # fmt: skip

        return made_once(f"tiny_{size}_{flavour}_{precision}.tflite", write)

    return file


@pytest.fixture(scope="session")
def onnx_file(tiny_model, made_once):
    """Gives an .onnx file. To be read only."""

    def file(layout: str, size, flavour: str, precision: str = "float32") -> pathlib.Path:
        def write(path):
            export_onnx(tiny_model, path, layout=layout, size=size, flavour=flavour, name="tiny",
                        precision=precision)  # fmt: skip

        return made_once(f"tiny_{layout}_{size}_{flavour}_{precision}.onnx", write)

    return file


@pytest.fixture(scope="session")
def saved_model(tiny_model, dark_photos, made_once) -> pathlib.Path:
    """A SavedModel with all signatures, of version 1. To be read only."""

    def write(path):
        photos = [photo[:20, :28] for photo in dark_photos[:1]]
        path.mkdir()
        options = ServingOptions(stages=True)
        export_saved_model(
            tiny_model, path / "1", name="tiny", warmup_photos=photos, options=options
        )

    return made_once("saved_model", write) / "1"
