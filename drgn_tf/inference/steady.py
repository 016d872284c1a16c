"""One brightness for photos that belong together: the frames of a film, the photos of a series.

Judged by itself, each would come out a little brighter or darker than the one before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

# Over so many seconds the brightness of a film follows its scene.
_FOLLOWING = 1.0
# A cut: the mean absolute difference of two thumbnails over the mean of both.
_CUT = 0.5


class SteadyBrightness:
    """The brightness of frames as it follows the predicted one, begun anew at cuts.

    A running mean of its logarithm: brightness is judged by ratios.

    Args:
      frames_per_second: of the film.
    """

    def __init__(self, frames_per_second: float):
        self._follow = 1.0 - math.exp(-1.0 / (_FOLLOWING * frames_per_second))
        self._brightness: float | None = None
        self._thumbnail: np.ndarray | None = None

    def __call__(self, thumbnail: np.ndarray, predicted: float) -> float:
        """Takes the next frame's thumbnail and predicted brightness, and returns the steady one."""
        last, self._thumbnail = self._thumbnail, thumbnail
        if last is None or self._brightness is None or _is_cut(last, thumbnail):
            self._brightness = predicted
        else:
            self._brightness *= (predicted / self._brightness) ** self._follow
        return self._brightness


def _is_cut(last: np.ndarray, thumbnail: np.ndarray) -> bool:
    return bool(np.abs(thumbnail - last).mean() >= _CUT * (thumbnail.mean() + last.mean()) / 2)


def common_brightness(predicted: Iterable[float]) -> float:
    """Returns the one brightness of a series of photos: the median of what is predicted for each.

    Raises:
      ValueError: there is none.
    """
    values = list(predicted)
    if not values:
        raise ValueError("no photo to take a brightness from.")
    return float(np.median(values))
