"""Measuring a network on whole photos, as they would be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import cv2
import keras
import numpy as np

from drgn_tf import metrics
from drgn_tf.images import photos

# Pixels; wider photos are scaled down for the pictures kept of a validation.
_PICTURE_WIDTH = 320


@dataclasses.dataclass(frozen=True)
class Validation:
    """Means over photos, of 8-bit results that are not scaled to the reference brightness.

    Attributes:
      psnr: of the enhanced photos, in dB.
      ssim: of the enhanced photos, in colour.
      input_psnr: of the low-light photos as they are, in dB.
      input_ssim: of the low-light photos as they are.
      degradation_mean: I_D per channel (R, G, B).
      degradation_spread: standard deviation of I_D over each photo, mean over channels. A
        faithful run has a degradation that is negative and nearly constant.
      base_contrast: standard deviation of I_B over that of the reference. In a
        faithful run the base is washed out: below that of the enhanced photo.
      enhanced_contrast: standard deviation of I* over that of the reference.
      pictures: uint8 rows low | degradation | base | enhanced | reference of the first
        photos; a degradation of 0 is shown as middle grey.
    """

    psnr: float
    ssim: float
    input_psnr: float
    input_ssim: float
    degradation_mean: tuple[float, float, float]
    degradation_spread: float
    base_contrast: float
    enhanced_contrast: float
    pictures: list[np.ndarray] = dataclasses.field(repr=False)

    def to_dict(self) -> dict:
        """Returns all metrics."""
        values = dataclasses.asdict(self)
        del values["pictures"]
        return values


class Validator:
    """Runs one network on whole photos.

    Args:
      run: float32 [1, H, W, 3] in [0, 1] -> images by name: the network, or a function
        compiled of it. Its weights may change between calls.
    """

    def __init__(self, run: Callable[[np.ndarray], dict]):
        self._run = run

    def __call__(
        self, pairs: Iterable[tuple[str, np.ndarray, np.ndarray]], pictures: int = 4
    ) -> Validation:
        """Measures on pairs of (name, low, high), float32 [H, W, 3] in [0, 1]."""
        rows = []
        kept = []
        for _, low, high in pairs:
            images = {
                name: np.asarray(image[0]) for name, image in self._run(low[np.newaxis]).items()
            }
            enhanced = photos.to_float(photos.to_uint8(images["enhanced"]))
            contrast = high.std() + 1e-6
            rows.append(
                [
                    *_similarity(enhanced, high),
                    *_similarity(low, high),
                    *images["degradation"].mean((0, 1)),
                    images["degradation"].std((0, 1)).mean(),
                    images["base"].std() / contrast,
                    enhanced.std() / contrast,
                ]
            )
            if len(kept) < pictures:
                kept.append(_picture(low, images, high))
        mean = [float(value) for value in np.mean(rows, axis=0)]
        return Validation(*mean[:4], tuple(mean[4:7]), *mean[7:], kept)


def _similarity(image: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    image, reference = (keras.ops.expand_dims(x, 0) for x in (image, reference))
    return float(metrics.psnr(image, reference)[0]), float(metrics.ssim(image, reference)[0])


def _picture(low: np.ndarray, images: dict, high: np.ndarray) -> np.ndarray:
    shown = [low, 0.5 + images["degradation"] / 2, images["base"], images["enhanced"], high]
    height, width = low.shape[:2]
    if width > _PICTURE_WIDTH:
        size = (_PICTURE_WIDTH, max(1, round(height * _PICTURE_WIDTH / width)))
        shown = [cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in shown]
    return photos.to_uint8(np.concatenate(shown, axis=1))
