"""Trained weights that come with the code: .keras, .tflite made of it, and a model card."""

from __future__ import annotations

import pathlib

_FOLDER = pathlib.Path(__file__).parent
# Used where a program or a call names none.
DEFAULT = "mobile"


def names() -> list[str]:
    """Returns the names of the networks whose weights are shipped."""
    return sorted(file.stem for file in _FOLDER.glob("*.keras"))


def path(name: str) -> pathlib.Path:
    """Returns the .keras file of a name in `names()`."""
    return _FOLDER / f"{name}.keras"


def fast_path(name: str) -> pathlib.Path:
    """Returns the .tflite file of the same network, or its .keras file where that is missing.

    It takes photos of any size with their thumbnails, and needs neither Keras nor TensorFlow.
    """
    made = path(name).with_suffix(".tflite")
    return made if made.is_file() else path(name)
