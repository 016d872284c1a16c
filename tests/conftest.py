"""Settings and small real photos for all tests."""

from __future__ import annotations

import os

# Before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest

from drgn_tf.data import sample
from drgn_tf.data.photos import read_photo


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photo, uint8 [300, 451, 3]."""
    return read_photo(sample.held_out_photos()[0])


@pytest.fixture(scope="session")
def low_photo(photo) -> np.ndarray:
    """The same photo as a low-light float image in [0, 1], float32 [1, 300, 451, 3]."""
    return (0.6 * (photo[np.newaxis] / 255.0) ** 2.5).astype(np.float32)


@pytest.fixture
def pair_folder(tmp_path, photo):
    """A folder of four small pairs: low/ and high/, crops of a real photo, 64x48 pixels."""
    from PIL import Image

    folder = tmp_path / "pairs"
    for name in ("low", "high"):
        (folder / name).mkdir(parents=True)
    for index in range(4):
        high = photo[60 * index : 60 * index + 48, 100 : 100 + 64]
        low = np.round(255 * 0.6 * (high / 255.0) ** 2.5).astype(np.uint8)
        Image.fromarray(low).save(folder / "low" / f"view_{index}.png")
        Image.fromarray(high).save(folder / "high" / f"view_{index}.png")
    return folder
