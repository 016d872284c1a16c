"""One interface to a trained network in any file format.

A `.keras` file, a SavedModel, a `.tflite` and a `.onnx` file run through the same interface,
so enhancing, evaluating, verifying exports and benchmarking are written once. Inputs and
outputs are float32 NHWC in [0, 1]; each driver converts to what its artefact needs (8 bits,
NCHW).
"""

from __future__ import annotations

import abc
import pathlib

import numpy as np

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.files import ModelFileError
from drgn_tf.models.options import GRID_FACTOR


class Driver(abc.ABC):
    """A trained network, ready to run.

    Attributes:
      kind: "keras", "saved_model", "tflite" or "onnx".
      path: of the file or folder.
      size: the only (height, width) in pixels that it takes, or None for any size.
      thumbnail_size: side in pixels of its thumbnail input, or None if it has none. It then
        makes the thumbnail from the image, which suits whole photos only, not tiles.
      takes_brightness: whether the brightness of the result is an input.
      tileable: whether tiles of a photo may be run apart though there is no thumbnail.
      outputs: names of the images that `run` returns.
    """

    kind: str
    path: pathlib.Path
    size: tuple[int, int] | None
    thumbnail_size: int | None
    takes_brightness: bool
    tileable: bool = False
    outputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in tables: file name, for a version of a SavedModel with its folder."""
        name = self.path.name
        return f"{self.path.resolve().parent.name}/{name}" if name.isdecimal() else name

    @abc.abstractmethod
    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs the network.

        Args:
          images: float32 [B, H, W, 3] in [0, 1].
          thumbnails: float32 [B, T, T, 3] of the photos that the images are parts of, if
            `thumbnail_size` is not None. By default the images are whole photos.
          brightness: float32 [B, 1], mean luma that the enhanced photos should have, 0 for
            automatic, if `takes_brightness`. By default it is automatic.

        Returns:
          float32 [B, H, W, 3] by name: "enhanced" in [0, 1], and the other `outputs`; if
          `takes_brightness` also "brightness" [B, 1], the given or predicted one.
        """

    def predicted_brightness(self, thumbnail: np.ndarray | None) -> float:
        """Returns the predicted brightness, the mean luma of the result where none is given.

        Args:
          thumbnail: float32 [1, T, T, 3] of the photo, None where the artefact takes none.

        Raises:
          ModelFileError: the artefact takes no brightness, or no thumbnail.
        """
        if not self.takes_brightness or thumbnail is None:
            raise ModelFileError(
                f"{self.path}: cannot be told a brightness; give a 'tiled' file of a network that "
                "takes one."
            )
        # It depends on the thumbnail alone, so the image may have any size and content.
        height, width = self.size or (GRID_FACTOR, GRID_FACTOR)
        image = np.zeros((1, height, width, 3), np.float32)
        automatic = np.full((1, 1), AUTOMATIC, np.float32)
        return float(self.run(image, thumbnail, automatic)["brightness"][0, 0])


def to_grid(images: np.ndarray) -> np.ndarray:
    """Repeats the last row and column of images [B, H, W, 3] up to multiples of 4.

    Some files of any size take no others. The network does the same, so that the result, cropped,
    is that of the images as they are.
    """
    missing = [(0, -side % GRID_FACTOR) for side in images.shape[1:3]]
    return np.pad(images, [(0, 0), *missing, (0, 0)], mode="edge") if np.any(missing) else images
