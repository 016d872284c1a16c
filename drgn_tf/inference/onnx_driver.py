"""Runs `.onnx` and `.ort` files with ONNX Runtime."""

from __future__ import annotations

import pathlib

import numpy as np

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.files import ModelFileError, first_line
from drgn_tf.inference.driver import Driver, to_grid
from drgn_tf.inference.thumbnail import photo_thumbnail


class OnnxDriver(Driver):
    """Runs an ONNX file on the CPU; its input shape tells NHWC from NCHW.

    Args:
      path: the file. It has an input "image", perhaps "thumbnail" and "brightness", and an output
        "enhanced", and "aimed_brightness" where brightness is an input. In a file with one input
        and one output the names do not matter.
      threads: of the session; by default one per core.

    Raises:
      ModelFileError: it cannot be loaded, or does not take an RGB image.
    """

    kind = "onnx"

    def __init__(self, path: pathlib.Path, threads: int | None = None):
        # Imported here, so that the other formats work without it.
        import onnxruntime

        self.path = path
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # For machines shared with other programs, where spinning threads and work split into
        # equal parts took almost twice as long.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.dynamic_block_base", "4")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's errors have no more specific common class.
        except Exception as error:
            raise ModelFileError(
                f"{path}: cannot be loaded ({first_line(error)}); export it again."
            ) from error
        inputs = {value.name: value for value in self._session.get_inputs()}
        results = [value.name for value in self._session.get_outputs()]
        # The name of a single output does not matter.
        self._results = results if len(results) > 1 else ["enhanced"]
        # Names are unique in a graph: the output cannot be called like the input.
        self._results = [name.removeprefix("aimed_") for name in self._results]
        self.outputs = tuple(name for name in self._results if name != "brightness")
        if "image" not in inputs and len(inputs) > 1:
            raise ModelFileError(
                f"{path}: has no 'image' among {', '.join(inputs)}; give a file that "
                "drgn-export made."
            )
        image = inputs.get("image") or next(iter(inputs.values()))
        self._image = image.name
        self.takes_brightness = "brightness" in inputs
        shape = image.shape
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ModelFileError(f"{path}: takes {shape}, not RGB images.")
        self._channels_first = shape[3] != 3
        sides = shape[2:] if self._channels_first else shape[1:3]
        self.size = tuple(sides) if all(isinstance(side, int) for side in sides) else None
        self.thumbnail_size = inputs["thumbnail"].shape[2] if "thumbnail" in inputs else None

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`. With a fixed size, the images of a batch are run one by one."""
        height, width = images.shape[1:3]
        feeds = {self._image: images if self.size else to_grid(images)}
        if self.thumbnail_size is not None:
            if thumbnails is None:
                thumbnails = np.concatenate(
                    [photo_thumbnail(image, self.thumbnail_size) for image in images]
                )
            feeds["thumbnail"] = thumbnails
        if self._channels_first:
            feeds = {name: _to_nchw(value) for name, value in feeds.items()}
        if self.takes_brightness:
            automatic = np.full((len(images), 1), AUTOMATIC, np.float32)
            feeds["brightness"] = automatic if brightness is None else brightness
        batches = [feeds]
        if self.size is not None:
            batches = [
                {name: value[i : i + 1] for name, value in feeds.items()}
                for i in range(len(images))
            ]
        runs = [self._session.run(None, batch) for batch in batches]
        results = dict(zip(self._results, map(np.concatenate, zip(*runs))))
        for name in self.outputs:
            if self._channels_first:
                results[name] = results[name].transpose(0, 2, 3, 1)
            results[name] = results[name][:, :height, :width]
        return results


def _to_nchw(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value.transpose(0, 3, 1, 2))
