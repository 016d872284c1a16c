"""Opens a network by name or path, with the driver of its format."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

from drgn_tf import weights
from drgn_tf.files import ModelFileError
from drgn_tf.inference import trial
from drgn_tf.inference.driver import Driver

if TYPE_CHECKING:
    from drgn_tf.inference.keras_driver import KerasDriver

_EXPECTED = (
    "a .keras, .tflite, .onnx or .ort file, a SavedModel folder, or a .json file that describes a "
    "network of somebody else's"
)


def load_driver(
    model: str | os.PathLike[str], threads: int | None = None, trusted: bool = False
) -> Driver:
    """Opens a trained network in any supported format.

    Files of native runtimes are tried in a process of their own first, see
    `drgn_tf.inference.trial`, and `.keras` files and SavedModels checked before Keras and
    TensorFlow see them.

    Args:
      model: a name of shipped weights (see `drgn_tf.weights.names`), which opens their .tflite
        file: no other form starts as fast. Or the path of a .keras, .tflite, .onnx or .ort file,
        of a SavedModel, or of the description of somebody else's network (.json, see
        `drgn_tf.inference.network_description`).
      threads: number of compute threads, by default the runtime's choice. TensorFlow (.keras and
        SavedModel) takes it from `tf.config.threading` instead.
      trusted: opens the file without trying it, as shipped weights always are. Saves half a second.

    Raises:
      ModelFileError: there is no such model, or it cannot be opened.
      UserError: a .json file describes no network.
    """
    name = str(model)
    path = weights.fast_path(name) if name in weights.names() else pathlib.Path(model)
    if not path.exists():
        raise ModelFileError(
            f"{model}: no such model; choose {', '.join(weights.names())}, or give {_EXPECTED}."
        )
    # Imported when needed: each runtime takes seconds and memory to import.
    if path.suffix == ".keras":
        return load_keras(path)
    if path.suffix == ".json":
        from drgn_tf.inference.described_driver import DescribedDriver

        return DescribedDriver(path, threads, trusted)
    if path.is_dir():
        from drgn_tf.inference.saved_model_driver import SavedModelDriver

        return SavedModelDriver(path)
    if path.suffix in (".tflite", ".onnx", ".ort") and name not in weights.names() and not trusted:
        trial.try_in_process(path)
    if path.suffix == ".tflite":
        from drgn_tf.inference.tflite_driver import TFLiteDriver

        return TFLiteDriver(path, threads)
    if path.suffix in (".onnx", ".ort"):
        from drgn_tf.inference.onnx_driver import OnnxDriver

        return OnnxDriver(path, threads)
    raise ModelFileError(f"{model}: is not {_EXPECTED}.")


def load_keras(model: str | os.PathLike[str]) -> KerasDriver:
    """Opens a trained network as Keras has it: what is exported, and has all stages.

    Args:
      model: a name of shipped weights, or the path of a .keras file.

    Raises:
      ModelFileError: it is neither, or cannot be opened.
    """
    name = str(model)
    path = weights.path(name) if name in weights.names() else pathlib.Path(model)
    if path.suffix != ".keras":
        raise ModelFileError(
            f"{model}: is no .keras file; give one, or choose {', '.join(weights.names())}."
        )
    from drgn_tf.inference.keras_driver import KerasDriver
    from drgn_tf.models import load_model

    return KerasDriver(load_model(path), path)
