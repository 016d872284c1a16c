"""A common brightness for the frames of a video or the photos of a series.

Enhanced independently, each would come out a little brighter or darker than the one before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

# Time constant of the mean, in seconds.
_FOLLOWING = 1.0
# A cut is where the mean absolute difference of two thumbnails exceeds this share of their mean.
_CUT = 0.5


class SteadyBrightness:
    """Smooths the predicted brightness of frames over time, restarting at scene cuts.

    An exponential mean of the logarithm, because brightness is perceived by ratios.

    Args:
      frames_per_second: of the video.
    """

    def __init__(self, frames_per_second: float):
        self._follow = 1.0 - math.exp(-1.0 / (_FOLLOWING * frames_per_second))
        self._brightness: float | None = None
        self._thumbnail: np.ndarray | None = None

    def __call__(self, thumbnail: np.ndarray, predicted: float) -> float:
        """Takes the thumbnail and predicted brightness of the next frame; returns the mean."""
        last, self._thumbnail = self._thumbnail, thumbnail
        if last is None or self._brightness is None or _is_cut(last, thumbnail):
            self._brightness = predicted
        else:
            self._brightness *= (predicted / self._brightness) ** self._follow
        return self._brightness


def _is_cut(last: np.ndarray, thumbnail: np.ndarray) -> bool:
    return bool(np.abs(thumbnail - last).mean() >= _CUT * (thumbnail.mean() + last.mean()) / 2)


def common_brightness(predicted: Iterable[float]) -> float:
    """Returns the brightness of a series of photos: the median of their predictions.

    Raises:
      ValueError: there is no photo.
    """
    values = list(predicted)
    if not values:
        raise ValueError("no photo to take a brightness from.")
    return float(np.median(values))
