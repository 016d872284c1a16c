"""The few names that most users need: `drgn_tf.load` and `drgn_tf.enhance`."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import numpy as np

from drgn_tf import weights

if TYPE_CHECKING:
    from drgn_tf.inference import Enhancer


def load(model: str | os.PathLike[str] = weights.DEFAULT, threads: int | None = None) -> Enhancer:
    """Opens a trained network.

    Args:
      model: "mobile" or "base", whose weights are shipped, or the path of a .keras, .tflite,
        .onnx or .ort file or of a SavedModel.
      threads: number of compute threads for .tflite, .onnx and .ort files; by default all cores.

    Returns:
      An enhancer, called with a photo; see `drgn_tf.inference.Enhancer`.

    Raises:
      drgn_tf.inference.ModelFileError: there is no such model, or it cannot be opened.

    Example:
      model = drgn_tf.load("base")
      enhanced = [model(photo) for photo in photos]
    """
    # Imported here, so that importing drgn_tf loads neither OpenCV nor Pillow.
    from drgn_tf import inference

    return inference.Enhancer(inference.load_driver(model, threads))


# Keeps the last network loaded for the next call.
_loaded = functools.lru_cache(maxsize=1)(load)


def enhance(
    photo: np.ndarray,
    model: str | os.PathLike[str] = weights.DEFAULT,
    exposure: float = 0.0,
    brightness: float | None = None,
) -> np.ndarray:
    """Enhances one photo of any size.

    Args:
      photo: [H, W, 3] RGB: uint8, uint16, or float in [0, 1].
      model: see `load`. The most recent one stays in memory.
      exposure: stops (EV) brighter, or darker if negative, than the network would make it.
      brightness: mean luma in (0, 1] that the result should have; by default the network's choice.

    Returns:
      The enhanced photo, in the same shape, dtype and range.

    Raises:
      ValueError: `photo` is not an image as described.
      drgn_tf.inference.ModelFileError: see `load`.

    Example:
      enhanced = drgn_tf.enhance(np.asarray(PIL.Image.open("dark.jpg")))
    """
    return _loaded(os.fspath(model))(photo, exposure, brightness)
