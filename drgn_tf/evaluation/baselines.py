"""Enhancement without a network: what a network has to be better than.

    gamma       one power for all pixels and channels, after which the mean luma is as wanted
    clahe       equalised histograms of tiles, limited in contrast, of the lightness (OpenCV)
    lime-like   the photo over a smoothed map of its illumination (after Guo et al., TIP 2017)

All take and return uint8 [H, W, 3], sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from drgn_tf.brightness import LUMA
from drgn_tf.errors import UserError
from drgn_tf.evaluation.methods import Method

# The mean luma of photos in normal light, that of COCO's training photos.
NORMAL_BRIGHTNESS = 0.45
# Of the powers that are tried; beyond these, photos are all but black or white.
_LOWEST_POWER, _HIGHEST_POWER = 0.02, 50.0
# OpenCV's own grid, and the limit that its tutorial uses: a bin of a tile's histogram holds at most
# twice the mean of all bins.
_CLIP_LIMIT, _TILES = 2.0, (8, 8)
# Of LIME: the exponent of the illumination.
_LIME_EXPONENT = 0.8
# Of the guided filter (He et al. 2013): window, as a share of the shorter side, and the variance
# below which it smooths.
_LIME_WINDOW, _LIME_VARIANCE = 1 / 16, 1e-3
# The least illumination: no pixel is multiplied by more than 50.
_LIME_LEAST = 0.02


def gamma(photo: np.ndarray) -> np.ndarray:
    """Brightens a photo to `NORMAL_BRIGHTNESS`; brighter ones stay as they are."""
    return _to_power(photo, min(1.0, _power(photo, NORMAL_BRIGHTNESS)))


def gamma_to(photo: np.ndarray, brightness: float) -> np.ndarray:
    """Makes a photo as bright as asked for, by mean luma; black pixels stay black."""
    return _to_power(photo, _power(photo, brightness))


def clahe(photo: np.ndarray) -> np.ndarray:
    """Equalises the lightness (L of CIELAB) of a photo locally."""
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(_CLIP_LIMIT, _TILES).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def lime_like(photo: np.ndarray) -> np.ndarray:
    """Divides a photo by the power 0.8 of its illumination.

    The illumination is the brightest channel of each pixel. A guided filter smooths it here, where
    LIME solves for a map that keeps structures; LIME's denoising is left out.
    """
    values = photo.astype(np.float32) / 255
    illumination = values.max(axis=2) ** _LIME_EXPONENT
    side = max(3, round(min(photo.shape[:2]) * _LIME_WINDOW))
    smooth = np.maximum(_self_guided(illumination, side), _LIME_LEAST)
    return np.round(255 * np.clip(values / smooth[..., np.newaxis], 0, 1)).astype(np.uint8)


BASELINES = {
    method.name: method
    for method in (
        Method("gamma", gamma, gamma_to),
        Method("clahe", clahe),
        Method("lime-like", lime_like),
    )
}


def chosen(names: Sequence[str]) -> list[Method]:
    """Returns the methods of these names, of `BASELINES`.

    Raises:
      UserError: there is no such method.
    """
    for name in names:
        if name not in BASELINES:
            raise UserError(
                f"--baselines: there is no '{name}'; choose from {', '.join(BASELINES)}."
            )
    return [BASELINES[name] for name in names]


def _power(photo: np.ndarray, brightness: float) -> float:
    """Returns the power of a photo's values after which its mean luma is `brightness`."""
    levels = np.arange(256) / 255
    shares = sum(
        weight * np.bincount(photo[..., channel].ravel(), minlength=256)
        for channel, weight in enumerate(LUMA)
    ) / (photo.shape[0] * photo.shape[1])
    low, high = np.log([_LOWEST_POWER, _HIGHEST_POWER])
    for _ in range(40):
        middle = (low + high) / 2
        # The mean falls as the power rises.
        if shares @ levels ** np.exp(middle) > brightness:
            low = middle
        else:
            high = middle
    return float(np.exp(high))


def _to_power(photo: np.ndarray, power: float) -> np.ndarray:
    table = np.round(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return cv2.LUT(photo, table)


def _self_guided(image: np.ndarray, side: int) -> np.ndarray:
    """Smooths an image [H, W] but for its edges: a guided filter whose guide is the image."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)

    average = mean(image)
    variance = np.maximum(mean(image * image) - average * average, 0)
    slope = variance / (variance + _LIME_VARIANCE)
    return mean(slope) * image + mean((1 - slope) * average)
