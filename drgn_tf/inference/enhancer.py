"""Runs a network on photos: the basis of enhancing, evaluating and video."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from drgn_tf.brightness import expose
from drgn_tf.files import ModelFileError
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.thumbnail import photo_thumbnail
from drgn_tf.inference.tiling import Tiling, run_tiled, tile_count


class Enhancer:
    """Enhances photos of any size.

    Args:
      driver: from `load_driver`.
      tiling: how photos that are too large to be run whole are cut into tiles.

    Call:
      photo: [H, W, 3] RGB, uint8, uint16, or float in [0, 1]; H and W from 1.
      Returns the enhanced photo in the same shape and dtype.

    Example:
      enhancer = Enhancer(load_driver("mobile"))
      enhanced = enhancer(photo)
      a_stop_brighter = enhancer(photo, exposure=1.0)
    """

    def __init__(self, driver: Driver, tiling: Tiling = Tiling()):
        self.driver = driver
        self.tiling = tiling

    def __call__(
        self,
        photo: np.ndarray,
        exposure: float = 0.0,
        brightness: float | Callable[[np.ndarray], float] | None = None,
        on_tile: Callable[[], object] = lambda: None,
    ) -> np.ndarray:
        """Enhances one photo.

        Args:
          photo: see the class.
          exposure: stops (EV) by which the result should be brighter, or darker if negative, than
            `brightness`.
          brightness: mean luma in (0, 1] that the result should have, limited to the valid range,
            or a function that returns it for the photo's thumbnail, float32 [1, T, T, 3], where the
            artefact takes one; by default the network's prediction for this photo.
          on_tile: called after each tile.

        Raises:
          ValueError: `photo` is something else than described, or a number is NaN.
          ModelFileError: the artefact cannot take a photo of this size, or no brightness.
        """
        checked = _checked(photo)
        converters = {"enhanced": to_dtype(np.asarray(photo).dtype)}
        return self.run(checked, converters, exposure, brightness, on_tile)["enhanced"]

    def stages(
        self, photo: np.ndarray, exposure: float = 0.0, brightness: float | None = None
    ) -> dict[str, np.ndarray]:
        """Returns all output images of the artefact, as float32 [H, W, 3].

        Those of a .keras file and a SavedModel are "degradation" (signed), "base" (not
        limited to [0, 1]) and "enhanced". The arguments are those of `__call__`.
        """
        converters = {name: np.asarray for name in self.driver.outputs}
        return self.run(_checked(photo), converters, exposure, brightness)

    def predicted_brightness(self, photo: np.ndarray) -> float:
        """Returns the predicted brightness, the mean luma of the result where none is given.

        Raises:
          ValueError: `photo` is something else than described.
          ModelFileError: the network takes no brightness.
        """
        return self.driver.predicted_brightness(self.thumbnail(_checked(photo)))

    def run(
        self,
        photo: np.ndarray,
        converters: Mapping[str, Callable[[np.ndarray], np.ndarray]],
        exposure: float = 0.0,
        brightness: float | Callable[[np.ndarray], float] | None = None,
        on_tile: Callable[[], object] = lambda: None,
    ) -> dict[str, np.ndarray]:
        """Returns images by name, converted by `converters`; see `tiling.run_tiled`."""
        thumbnail = self.thumbnail(photo)
        if callable(brightness):
            brightness = None if thumbnail is None else brightness(thumbnail)
        elif exposure and brightness is None:
            brightness = self.driver.predicted_brightness(thumbnail)
        for name, value in (("exposure", exposure), ("brightness", brightness or 0.0)):
            if math.isnan(value):
                raise ValueError(f"{name} must be a number, not nan.")
        if brightness is not None:
            if not self.driver.takes_brightness:
                raise ModelFileError(
                    f"{self.driver.path}: takes no brightness; leave out exposure and brightness, "
                    "or give another network."
                )
            brightness = expose(brightness, exposure)
        return run_tiled(
            self.driver, photo, thumbnail, converters, self.tiling, on_tile, brightness
        )

    def thumbnail(self, photo: np.ndarray) -> np.ndarray | None:
        """Returns float32 [1, T, T, 3], or None if the artefact takes no thumbnail."""
        size = self.driver.thumbnail_size
        return None if size is None else photo_thumbnail(photo, size)

    def tile_count(self, height: int, width: int) -> int:
        """Returns the number of tiles of a photo.

        Raises:
          ModelFileError: the artefact cannot process a photo of this size.
        """
        return tile_count(self.driver, height, width, self.tiling)


def _checked(photo: np.ndarray) -> np.ndarray:
    photo = np.asarray(photo)
    if photo.ndim != 3 or photo.shape[2] != 3 or 0 in photo.shape:
        raise ValueError(f"a photo is [height, width, 3], not {list(photo.shape)}.")
    if photo.dtype in (np.uint8, np.uint16):
        return photo
    if not np.issubdtype(photo.dtype, np.floating):
        raise ValueError(f"a photo is uint8, uint16, or float in [0, 1], not {photo.dtype}.")
    low, high = photo.min(), photo.max()
    # Not `low < 0`, which NaN would pass.
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(f"a float photo lies in [0, 1]; this one goes from {low:g} to {high:g}.")
    return photo.astype(np.float32)


def to_dtype(dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that converts float32 values in [0, 1] to `dtype`."""
    if np.issubdtype(dtype, np.floating):
        return lambda values: np.clip(values, 0.0, 1.0).astype(dtype)
    top = np.iinfo(dtype).max
    return lambda values: np.round(np.clip(values, 0.0, 1.0) * top).astype(dtype)
