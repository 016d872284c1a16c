"""Opening a trained network."""

from __future__ import annotations

import pathlib
import zipfile

import keras

from drgn_tf.files import ModelFileError, first_line
from drgn_tf.models.drgn import DRGN


def load_model(path: pathlib.Path) -> DRGN:
    """Opens a `.keras` file.

    Raises:
      ModelFileError: the file is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file; give the .keras file of a trained network.")
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{path}: is no .keras file or is damaged; give a trained network.")
    try:
        model = keras.models.load_model(path, compile=False)
    # Keras raises errors of many types for a damaged archive.
    except Exception as error:
        raise ModelFileError(
            f"{path}: cannot be opened ({first_line(error)}); it is damaged or was not saved by "
            "this project."
        ) from error
    if not isinstance(model, DRGN):
        raise ModelFileError(
            f"{path}: holds a {type(model).__name__}, not a DRGN; give a network that "
            "drgn-train has saved."
        )
    return model
