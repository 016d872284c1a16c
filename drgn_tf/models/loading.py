"""Opening a trained network.

A `.keras` file is a ZIP archive whose config.json names the classes that Keras makes, of this
package or any other, and what they are made with. So it is read before Keras sees the file.
"""

from __future__ import annotations

import json
import pathlib
import zipfile
from typing import Any

import keras

from drgn_tf.files import ModelFileError, first_line
from drgn_tf.models.drgn import DRGN
from drgn_tf.models.options import ModelOptions

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = {_CONFIG, _WEIGHTS, "metadata.json"}
# Bytes of the members that are JSON.
_LARGEST_JSON = 2**16
# Weights hardly compress, and Keras does not try.
_LARGEST_RATIO = 20
_DTYPE = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


def load_model(path: pathlib.Path) -> DRGN:
    """Opens a `.keras` file. Nothing in it is run.

    Raises:
      ModelFileError: the file is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file; give the .keras file of a trained network.")
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{path}: is no .keras file or is damaged; give a trained network.")
    try:
        _check(path)
        return keras.models.load_model(path, compile=False)
    except ModelFileError:
        raise
    # Keras raises errors of many types for a damaged archive.
    except Exception as error:
        raise ModelFileError(
            f"{path}: cannot be opened ({first_line(error)}); it is damaged or was not saved by "
            "this project."
        ) from error


def _check(path: pathlib.Path) -> None:
    """Raises an error unless Keras makes a DRGN of a file, of a size that fits the file's."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if len(names) != len(set(names)) or not {_CONFIG, _WEIGHTS} <= set(names) <= _MEMBERS:
            raise ModelFileError(
                f"{path}: holds other files than a network's; give a network that drgn-train has "
                "saved."
            )
        for member in members:
            most = _LARGEST_RATIO * member.compress_size
            if member.filename != _WEIGHTS:
                most = min(most, _LARGEST_JSON)
            if member.file_size > most:
                raise ModelFileError(
                    f"{path}: {member.filename} in it has {member.file_size} bytes, more than a "
                    "network needs; give a network that drgn-train has saved."
                )
        # Keras goes on where a checksum is wrong.
        if archive.testzip() is not None:
            raise ValueError("a checksum is wrong")
        config = json.loads(archive.read(_CONFIG))
        weights = archive.getinfo(_WEIGHTS).file_size
    options = _options(path, config)
    needed = 4 * _least_weights(options)
    if needed > weights:
        raise ModelFileError(
            f"{path}: declares a network of at least {needed} bytes and holds {weights}; it is "
            "damaged."
        )


def _options(path: pathlib.Path, config: dict[str, Any]) -> ModelOptions:
    """Returns the options of the DRGN that this configuration makes, and nothing else."""
    if config.get("registered_name") != "drgn_tf>DRGN":
        raise ModelFileError(
            f"{path}: holds {config.get('registered_name') or config.get('class_name')!r}, not a "
            "DRGN; give a network that drgn-train has saved."
        )
    inner = config["config"]
    plain = {name: value for name, value in inner.items() if name not in ("dtype", "options")}
    if not (
        config.get("class_name") == "DRGN"
        and config.get("module") == DRGN.__module__
        and inner.get("dtype", _DTYPE) in (_DTYPE, "float32")
        and plain.keys() <= {"name", "trainable"}
        and all(isinstance(value, (str, bool)) for value in plain.values())
    ):
        raise ValueError("its configuration is not one of a DRGN")
    return ModelOptions(**inner["options"])


def _least_weights(options: ModelOptions) -> int:
    """Returns how many weights a network has at the least: those of its residual blocks.

    Each has two 3x3 convolutions. What else there is stays small within the bounds of
    `ModelOptions`.
    """
    blocks = options.scales * options.branch_blocks + options.fusion_blocks
    return (1 + options.two_step) * blocks * 2 * 9 * options.width**2
