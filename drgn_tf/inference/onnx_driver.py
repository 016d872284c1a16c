"""Runs `.onnx` and `.ort` files with ONNX Runtime."""

from __future__ import annotations

import pathlib

import numpy as np

from drgn_tf.files import ModelFileError, first_line
from drgn_tf.inference.driver import Driver


class OnnxDriver(Driver):
    """Runs an ONNX file on the CPU; NHWC or NCHW is read off its input.

    Args:
      path: the file. It has an input "image", perhaps "thumbnail", and an output "enhanced". In
        a file with one input and one output the names do not matter.
      threads: of the session; by default one per core.

    Raises:
      ModelFileError: it cannot be loaded, or does not take an RGB image.
    """

    kind = "onnx"

    def __init__(self, path: pathlib.Path, threads: int | None = None):
        # Here, so that the other formats can be used without it.
        import onnxruntime

        self.path = path
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # For machines where other programs compute too: there, threads that spin while they wait
        # for each other, with work dealt out in equal shares, took almost twice as long.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.dynamic_block_base", "4")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's errors have no common class but this.
        except Exception as error:
            raise ModelFileError(
                f"{path}: cannot be loaded ({first_line(error)}); export it again."
            ) from error
        inputs = {value.name: value for value in self._session.get_inputs()}
        self.outputs = tuple(value.name for value in self._session.get_outputs())
        if "image" not in inputs and len(inputs) > 1:
            raise ModelFileError(
                f"{path}: has no 'image' among {', '.join(inputs)}; give a file that "
                "export_main.py made."
            )
        image = inputs.get("image") or next(iter(inputs.values()))
        self._names = [image.name] + ["thumbnail"] * ("thumbnail" in inputs)
        shape = image.shape
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ModelFileError(f"{path}: takes {shape}, not RGB images.")
        self._channels_first = shape[3] != 3
        sides = shape[2:] if self._channels_first else shape[1:3]
        self.size = tuple(sides) if all(isinstance(side, int) for side in sides) else None
        self.thumbnail_size = inputs["thumbnail"].shape[2] if "thumbnail" in inputs else None

    def run(
        self, images: np.ndarray, thumbnails: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`. With a fixed size, the images of a batch are run one by one."""
        values = [images] + [thumbnails] * (len(self._names) - 1)
        if self._channels_first:
            values = [np.ascontiguousarray(value.transpose(0, 3, 1, 2)) for value in values]
        singles = [values]
        if self.size is not None:
            singles = [[value[i : i + 1] for value in values] for i in range(len(images))]
        runs = [
            self._session.run(None, dict(zip(self._names, single, strict=True)))
            for single in singles
        ]
        results = [np.concatenate(parts) for parts in zip(*runs)]
        if self._channels_first:
            results = [result.transpose(0, 2, 3, 1) for result in results]
        if len(results) == 1:
            return {"enhanced": results[0]}
        return dict(zip(self.outputs, results))
