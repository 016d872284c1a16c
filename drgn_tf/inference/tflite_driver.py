"""Runs `.tflite` files with LiteRT."""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any

import numpy as np

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.files import ModelFileError, first_line
from drgn_tf.inference.driver import Driver, to_grid
from drgn_tf.inference.thumbnail import photo_thumbnail


class TFLiteDriver(Driver):
    """Runs a TFLite file on the CPU, with XNNPACK.

    Integer inputs and outputs are converted by their scales and zero points.

    Args:
      path: the file. It has one signature, with an input "image", optionally "thumbnail" and
        "brightness", an output "enhanced", and an output "brightness" if that is an input. In a
        file with one input and one output the names do not matter.
      threads: of the interpreter; by default one per core.

    Raises:
      ModelFileError: it cannot be loaded, or does not take an RGB image.
    """

    kind = "tflite"

    def __init__(self, path: pathlib.Path, threads: int | None = None):
        # Imported here, so that the other formats work without it.
        from ai_edge_litert.interpreter import Interpreter

        self.path = path
        self._threads = threads
        if not path.is_file():
            raise ModelFileError(f"{path}: no such file.")
        try:
            # LiteRT's own default is one thread.
            self._interpreter = Interpreter(
                model_path=str(path), num_threads=threads or os.cpu_count()
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(
                f"{path}: cannot be loaded ({first_line(error)}); export it again."
            ) from error
        self._inputs = self._by_name(self._interpreter.get_input_details(), "inputs")
        self._results = self._by_name(self._interpreter.get_output_details(), "outputs")
        self._image = self._only(self._inputs, "image")
        self._thumbnail = self._inputs.get("thumbnail")
        self._brightness = self._inputs.get("brightness")
        self.takes_brightness = self._brightness is not None
        self._only(self._results, "enhanced")
        self.outputs = tuple(sorted(self._results.keys() - {"brightness"}))
        shape = self._image["shape_signature"]
        if len(shape) != 4 or shape[3] != 3:
            raise ModelFileError(f"{path}: takes {list(shape)}, not RGB images.")
        self.size = None if -1 in shape[1:3] else (int(shape[1]), int(shape[2]))
        self.thumbnail_size = None if self._thumbnail is None else int(self._thumbnail["shape"][1])

    def _by_name(self, details: list[dict[str, Any]], side: str) -> dict[str, dict[str, Any]]:
        by_index = {detail["index"]: detail for detail in details}
        signatures = self._interpreter.get_signature_list()
        if len(signatures) != 1:
            return {detail["name"]: detail for detail in details}
        key, names = next(iter(signatures.items()))
        runner = self._interpreter.get_signature_runner(key)
        own = runner.get_input_details() if side == "inputs" else runner.get_output_details()
        return {name: by_index[own[name]["index"]] for name in names[side]}

    def _only(self, details: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in details:
            if len(details) > 1:
                raise ModelFileError(
                    f"{self.path}: has no '{name}' among {', '.join(details)}; give a file that "
                    "drgn-export made."
                )
            details[name] = details.pop(next(iter(details)))
        return details[name]

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`. The images of a batch are run one by one."""
        results: dict[str, list[np.ndarray]] = {name: [] for name in self._results}
        height, width = images.shape[1:3]
        for i, image in enumerate(images):
            feeds = [(self._image, image[np.newaxis] if self.size else to_grid(image[np.newaxis]))]
            if self._thumbnail is not None:
                if thumbnails is None:
                    thumbnail = photo_thumbnail(image, self._thumbnail["shape"][1])
                else:
                    thumbnail = thumbnails[i : i + 1]
                feeds.append((self._thumbnail, thumbnail))
            if self._brightness is not None:
                automatic = np.full((1, 1), AUTOMATIC, np.float32)
                wanted = automatic if brightness is None else brightness[i : i + 1]
                feeds.append((self._brightness, wanted))
            self._resize(feeds[0][1].shape)
            for detail, value in feeds:
                self._interpreter.set_tensor(detail["index"], quantise(value, detail))
            self._interpreter.invoke()
            for name, detail in self._results.items():
                value = self._interpreter.get_tensor(detail["index"])
                if name in self.outputs:
                    value = value[:, :height, :width]
                results[name].append(dequantise(value, detail))
        return {name: np.concatenate(values) for name, values in results.items()}

    def predicted_brightness(self, thumbnail: np.ndarray | None) -> float:
        """See `Driver.predicted_brightness`."""
        return Driver.predicted_brightness(self._predictor, thumbnail)

    @functools.cached_property
    def _predictor(self) -> TFLiteDriver:
        # A second interpreter: for another size and back, one would plan its memory anew twice a
        # photo.
        return self if self.size is not None else TFLiteDriver(self.path, self._threads)

    def _resize(self, shape: tuple[int, ...]) -> None:
        index = self._image["index"]
        if self.size is None and tuple(self._image["shape"]) != shape:
            self._interpreter.resize_tensor_input(index, shape, strict=False)
            self._interpreter.allocate_tensors()
            self._image["shape"] = shape


def quantise(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Converts floats to a tensor's type and scale, if it has one, given its LiteRT details."""
    if np.issubdtype(detail["dtype"], np.floating):
        return value.astype(detail["dtype"])
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    levels = np.round(value / (scale or 1.0)) + zero
    return np.clip(levels, limits.min, limits.max).astype(detail["dtype"])


def dequantise(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """Converts a tensor's content to float32; integers without a scale keep their values."""
    if np.issubdtype(detail["dtype"], np.floating):
        return value.astype(np.float32)
    scale, zero = detail["quantization"]
    return (value.astype(np.float32) - zero) * np.float32(scale or 1.0)
