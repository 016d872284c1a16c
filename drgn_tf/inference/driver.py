"""One interface to every form a trained network comes in.

A `.keras` file, a SavedModel, a `.tflite` and a `.onnx` file are run through the same
few names, so that enhancing, evaluating, proving exports and benchmarking are written
once. Images go in and come out as float32 NHWC in [0, 1]; what an artefact wants
instead (8 bits, NCHW) is its driver's business.
"""

from __future__ import annotations

import abc
import pathlib

import numpy as np


class Driver(abc.ABC):
    """A trained network, ready to run.

    Attributes:
      kind: "keras", "saved_model", "tflite" or "onnx".
      path: of the file or folder.
      size: (height, width) if it takes no other, else None.
      thumbnail_size: side of the thumbnail it takes beside the image, in pixels, or
        None if it makes its own: then it is right for whole photos only, not for tiles.
      outputs: names of the images that `run` returns.
    """

    kind: str
    path: pathlib.Path
    size: tuple[int, int] | None
    thumbnail_size: int | None
    outputs: tuple[str, ...]

    @abc.abstractmethod
    def run(
        self, images: np.ndarray, thumbnails: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Runs the network.

        Args:
          images: float32 [B, H, W, 3] in [0, 1].
          thumbnails: float32 [B, T, T, 3] of the photos that the images are parts of, if
            `thumbnail_size` is not None. By default the images are whole photos.

        Returns:
          float32 [B, H, W, 3] by name: "enhanced" in [0, 1], and what else is in `outputs`.
        """
