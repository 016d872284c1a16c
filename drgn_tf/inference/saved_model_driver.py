"""Runs SavedModels."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.files import ModelFileError, first_line
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.saved_model_check import check_saved_model


def latest_version(folder: pathlib.Path) -> pathlib.Path:
    """Returns the SavedModel in a folder: itself, or the highest of its integer versions.

    Raises:
      ModelFileError: there is none.
    """
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = [
        entry
        for entry in (folder.iterdir() if folder.is_dir() else ())
        if entry.name.isdecimal() and (entry / "saved_model.pb").is_file()
    ]
    if not versions:
        raise ModelFileError(
            f"{folder}: is not a SavedModel; give a folder with a saved_model.pb, or one with "
            "integer version folders."
        )
    return max(versions, key=lambda version: int(version.name))


class SavedModelDriver(Driver):
    """Runs the float signatures of an exported SavedModel.

    Args:
      path: the folder, or the folder of its versions.

    Raises:
      ModelFileError: it cannot be loaded, or lacks the signatures of this project.
    """

    kind = "saved_model"
    size = None

    def __init__(self, path: pathlib.Path):
        self.path = latest_version(path)
        check_saved_model(self.path)
        try:
            # Kept, because the signatures do not keep the variables alive.
            self._model = tf.saved_model.load(str(self.path))
        # TensorFlow raises errors of many types for damaged files.
        except Exception as error:
            raise ModelFileError(
                f"{self.path}: cannot be loaded ({first_line(error)}); export it again."
            ) from error
        signatures = self._model.signatures
        missing = [name for name in ("float_whole", "float_tiled") if name not in signatures]
        if missing:
            raise ModelFileError(
                f"{self.path}: lacks the signature {missing[0]}; give a SavedModel that "
                "drgn-export made."
            )
        self.takes_brightness = "float_tiled_with_brightness" in signatures
        suffix = "_with_brightness" if self.takes_brightness else ""
        self._whole, self._tile = (
            signatures[f"{name}{suffix}"] for name in ("float_whole", "float_tiled")
        )
        inputs = self._tile.structured_input_signature[1]
        if "thumbnail" not in inputs:
            raise ModelFileError(f"{self.path}: takes no thumbnail; export it again.")
        self.thumbnail_size = inputs["thumbnail"].shape[1]
        self.outputs = tuple(sorted(self._tile.structured_outputs.keys() - {"brightness"}))

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`."""
        feeds = {"image": tf.constant(images)}
        if self.takes_brightness:
            wanted = tf.fill([len(images), 1], AUTOMATIC) if brightness is None else brightness
            feeds["brightness"] = tf.constant(wanted)
        if thumbnails is None:
            results = self._whole(**feeds)
        else:
            results = self._tile(thumbnail=tf.constant(thumbnails), **feeds)
        return {name: result.numpy() for name, result in results.items()}
