"""Runs a network of somebody else's by its description."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np

from drgn_tf.files import ModelFileError
from drgn_tf.inference import trial
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.image_runner import Outputs, open_runner
from drgn_tf.inference.network_description import read_description

# Height and width of the image on which a network of any size is tried.
_SIDE = 64


class DescribedDriver(Driver):
    """A network that takes one image, and gives an image of the same size or a residual.

    Args:
      path: of the description, a JSON file.
      threads: see `load_driver`.
      trusted: see `load_driver`.

    Attributes:
      description: what the file says.

    Raises:
      UserError: the file describes no network.
      ModelFileError: the network cannot be loaded, or is another than described.
    """

    thumbnail_size = None
    takes_brightness = False
    outputs = ("enhanced",)

    def __init__(self, path: pathlib.Path, threads: int | None = None, trusted: bool = False):
        self.description = description = read_description(path)
        self.path = description.file
        if not self.path.exists():
            raise ModelFileError(f'{path}: "file" is {self.path}, which does not exist.')
        if not (trusted or self.path.is_dir()):
            trial.try_in_process(self.path, __name__, str(path))
        self._runner = open_runner(self.path, description.input, threads)
        self.kind = {".tflite": "tflite", ".onnx": "onnx", ".ort": "onnx"}.get(
            self.path.suffix, "saved_model"
        )
        self._channels_first = (
            self._runner.channels_first()
            if description.layout is None
            else description.layout == "nchw"
        )
        self._fixed = description.size or self._runner.size(self._channels_first)
        if self._fixed and description.multiple_of > 1:
            height, width = self._fixed
            raise ModelFileError(
                f'{path}: "multiple_of" is for networks that take any size, but {self.path} takes '
                f"{width}x{height}; leave it out."
            )
        # Resized here, so that any size can be taken, or cut into tiles by those who call this.
        self._stretch = description.resize_mode == "stretch"
        self.size = None if self._stretch else self._fixed
        self.tileable = self.size is not None

    @property
    def name(self) -> str:
        """See `Driver.name`."""
        return self.description.name

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`. The images of a batch are run one by one.

        Raises:
          ModelFileError: the network does not run, or gives something else than described.
        """
        return {"enhanced": np.stack([self._enhanced(image) for image in images])}

    def _enhanced(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        taken = image
        if self._fixed and self._stretch:
            taken = _resized(image, self._fixed)
        elif self._fixed is None:
            missing = [(0, -side % self.description.multiple_of) for side in (height, width)]
            taken = np.pad(image, [*missing, (0, 0)], mode="reflect")
        outputs = self._runner.run(self._encoded(taken))
        result = self._decoded(outputs, taken.shape)
        if self._fixed and self._stretch:
            result = _resized(result, (height, width))
        result = result[:height, :width]
        if self.description.result == "residual":
            result = image + result
        return np.clip(result, 0.0, 1.0)

    def _encoded(self, image: np.ndarray) -> np.ndarray:
        """Returns an image [H, W, 3] as the network takes it."""
        low, high = self.description.input_range
        image = image * np.float32(high - low) + np.float32(low)
        image = self._reordered(image)
        if self._channels_first:
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image[np.newaxis])

    def _decoded(self, outputs: Outputs, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the image or residual of the network's outputs [H, W, 3]; see `_encoded`."""
        key = self.description.output
        if key not in outputs:
            names = [str(name) for name in outputs if isinstance(name, str)]
            raise ModelFileError(
                f"{self.path}: has no output {key!r}; there are {', '.join(names)}."
            )
        result = outputs[key]
        wanted = (1, 3, *shape[:2]) if self._channels_first else (1, *shape)
        if result.shape != wanted:
            raise ModelFileError(
                f"{self.path}: its output {key!r} is {list(result.shape)}, not {list(wanted)}, the "
                "size of its input."
            )
        if not np.isfinite(result).all():
            raise ModelFileError(
                f"{self.path}: its output {key!r} holds values that are no numbers."
            )
        result = self._reordered(
            result[0].transpose(1, 2, 0) if self._channels_first else result[0]
        )
        low, high = self.description.output_range
        # What is added to the input has no black.
        zero = 0.0 if self.description.result == "residual" else low
        return (result - np.float32(zero)) / np.float32(high - low)

    def _reordered(self, image: np.ndarray) -> np.ndarray:
        return image[..., ::-1] if self.description.channels == "bgr" else image


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns an image in another (height, width): by areas if smaller, else bilinearly."""
    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=how)


def try_here(path: pathlib.Path, description: str) -> None:
    """Opens a network in this process and runs it; raises any error, or crashes."""
    driver = DescribedDriver(pathlib.Path(description), threads=1, trusted=True)
    height, width = driver.size or (max(_SIDE, driver.description.multiple_of),) * 2
    driver.run(np.zeros((1, height, width, 3), np.float32))
