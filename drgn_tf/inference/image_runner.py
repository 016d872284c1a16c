"""Runs files of somebody else's that take one image: detectors, and networks that are described."""

from __future__ import annotations

import abc
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from drgn_tf.files import ModelFileError, first_line
from drgn_tf.inference.tflite_driver import dequantise, quantise

# Results by place and by name, with a batch of 1.
Outputs = dict[int | str, np.ndarray]


class ImageRunner(abc.ABC):
    """A file with one input, an image.

    Attributes:
      path: of the file or folder.
      shape: of its input, four lengths, None where any.
    """

    path: pathlib.Path
    shape: tuple[int | None, ...]

    @abc.abstractmethod
    def run(self, image: np.ndarray) -> Outputs:
        """Runs it.

        Args:
          image: float32 in the file's layout and range. Integer inputs get it rounded, and by their
            scale, if they have one.

        Returns:
          float32 by place and by name.

        Raises:
          ModelFileError: it does not run.
        """

    def channels_first(self) -> bool:
        """Tells the layout by the input's shape.

        Raises:
          ModelFileError: it takes no RGB images.
        """
        if len(self.shape) != 4 or 3 not in (self.shape[1], self.shape[3]):
            shown = ["any" if side is None else side for side in self.shape]
            raise ModelFileError(f"{self.path}: takes {shown}, not RGB images.")
        return self.shape[3] != 3

    def size(self, channels_first: bool) -> tuple[int, int] | None:
        """Returns the only (height, width) that it takes, or None for any."""
        height, width = self.shape[2:] if channels_first else self.shape[1:3]
        return None if height is None or width is None else (height, width)


def open_runner(
    path: pathlib.Path, name: str | None = None, threads: int | None = None
) -> ImageRunner:
    """Opens a .tflite, .onnx or .ort file or a SavedModel.

    Args:
      path: of it.
      name: of its input, if it is to be checked.
      threads: of the runtime; by default its choice for .onnx, one per core for .tflite.

    Raises:
      ModelFileError: it cannot be loaded, or has no such input.
    """
    if path.is_dir():
        return _SavedModelRunner(path, name)
    if path.suffix == ".tflite":
        return _TFLiteRunner(path, name, threads)
    if path.suffix in (".onnx", ".ort"):
        return _OnnxRunner(path, name, threads)
    raise ModelFileError(f"{path}: is no .tflite, .onnx or .ort file, and no SavedModel.")


def _input(path: pathlib.Path, names: Sequence[str], wanted: str | None) -> str:
    """Returns the name of the only input, which is the one that is wanted."""
    if len(names) != 1:
        raise ModelFileError(
            f"{path}: has {len(names)} inputs ({', '.join(names)}); give a file that takes an "
            "image alone."
        )
    if wanted is not None and wanted != names[0]:
        raise ModelFileError(f"{path}: has no input '{wanted}', but {names[0]}.")
    return names[0]


def _shape(sides: Iterable[object]) -> tuple[int | None, ...]:
    """Returns a shape with None for what is no length: names, and -1."""
    return tuple(side if isinstance(side, int) and side > 0 else None for side in sides)


def _by_place_and_name(values: Sequence[np.ndarray], names: Sequence[str]) -> Outputs:
    return {**dict(enumerate(values)), **dict(zip(names, values))}


class _TFLiteRunner(ImageRunner):
    def __init__(self, path: pathlib.Path, name: str | None, threads: int | None):
        from ai_edge_litert.interpreter import Interpreter

        self.path = path
        try:
            self._interpreter = Interpreter(
                model_path=str(path), num_threads=threads or os.cpu_count()
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"{path}: cannot be loaded ({first_line(error)}).") from error
        inputs = self._interpreter.get_input_details()
        signatures = list(self._interpreter.get_signature_list().values())
        signature = signatures[0] if len(signatures) == 1 else None
        # A tensor has a name of its own, and perhaps another in the signature.
        own = [detail["name"] for detail in inputs]
        known = signature is not None and (name is None or name in signature["inputs"])
        _input(path, signature["inputs"] if signature is not None and known else own, name)
        self._taken = inputs[0]
        self._given = self._interpreter.get_output_details()
        self._of_signature = {} if signature is None else self._signature_outputs()
        self.shape = _shape(int(side) for side in self._taken["shape_signature"])

    def _signature_outputs(self) -> dict[str, int]:
        """Returns the indices of the output tensors by their names in the signature."""
        runner = self._interpreter.get_signature_runner()
        return {name: detail["index"] for name, detail in runner.get_output_details().items()}

    def run(self, image: np.ndarray) -> Outputs:
        """See `ImageRunner.run`."""
        index = self._taken["index"]
        try:
            if self._interpreter.get_input_details()[0]["shape"].tolist() != list(image.shape):
                self._interpreter.resize_tensor_input(index, image.shape)
                self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(index, quantise(image, self._taken))
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"{self.path}: does not run ({first_line(error)}).") from error
        values = [
            dequantise(self._interpreter.get_tensor(detail["index"]), detail)
            for detail in self._given
        ]
        outputs = _by_place_and_name(values, [detail["name"] for detail in self._given])
        by_index = {detail["index"]: value for detail, value in zip(self._given, values)}
        return outputs | {name: by_index[index] for name, index in self._of_signature.items()}


class _OnnxRunner(ImageRunner):
    def __init__(self, path: pathlib.Path, name: str | None, threads: int | None):
        import onnxruntime

        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's errors have no more specific common class; likewise below.
        except Exception as error:
            raise ModelFileError(f"{path}: cannot be loaded ({first_line(error)}).") from error
        inputs = {value.name: value for value in self._session.get_inputs()}
        self._taken = inputs[_input(path, list(inputs), name)]
        self._names = [value.name for value in self._session.get_outputs()]
        self.shape = _shape(self._taken.shape)

    def run(self, image: np.ndarray) -> Outputs:
        """See `ImageRunner.run`."""
        dtype = np.dtype(_ONNX_TYPES.get(self._taken.type, np.float32))
        try:
            values = self._session.run(None, {self._taken.name: _to(image, dtype)})
        except Exception as error:
            raise ModelFileError(f"{self.path}: does not run ({first_line(error)}).") from error
        return _by_place_and_name([value.astype(np.float32) for value in values], self._names)


_ONNX_TYPES: dict[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


class _SavedModelRunner(ImageRunner):
    def __init__(self, path: pathlib.Path, name: str | None):
        import tensorflow as tf

        from drgn_tf.inference.saved_model_check import check_saved_model
        from drgn_tf.inference.saved_model_driver import latest_version

        self.path = latest_version(path)
        check_saved_model(self.path, _SIGNATURE)
        try:
            # Kept, because the signatures do not keep the variables alive.
            self._model = tf.saved_model.load(str(self.path))
        # TensorFlow raises errors of many types for damaged files; likewise below.
        except Exception as error:
            raise ModelFileError(f"{self.path}: cannot be loaded ({first_line(error)}).") from error
        if _SIGNATURE not in self._model.signatures:
            found = ", ".join(self._model.signatures) or "none"
            raise ModelFileError(f"{self.path}: has no signature {_SIGNATURE}, but {found}.")
        self._signature = self._model.signatures[_SIGNATURE]
        inputs: dict[str, Any] = self._signature.structured_input_signature[1]
        self._name = _input(self.path, list(inputs), name)
        self._dtype = np.dtype(inputs[self._name].dtype.as_numpy_dtype)
        sides = inputs[self._name].shape
        self.shape = () if sides.rank is None else _shape(sides)

    def run(self, image: np.ndarray) -> Outputs:
        """See `ImageRunner.run`."""
        import tensorflow as tf

        try:
            found = self._signature(**{self._name: tf.constant(_to(image, self._dtype))})
            values = {name: value.numpy().astype(np.float32) for name, value in found.items()}
        except Exception as error:
            raise ModelFileError(f"{self.path}: does not run ({first_line(error)}).") from error
        return _by_place_and_name(list(values.values()), list(values))


# The signature of a SavedModel that servers run, too.
_SIGNATURE = "serving_default"


def _to(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Returns an image in another type, rounded and limited where that has no fractions."""
    if not np.issubdtype(dtype, np.integer):
        return image.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(image), limits.min, limits.max).astype(dtype)
