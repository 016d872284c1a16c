"""The brightness of a photo, and its changes in exposure stops (EV).

The brightness of a photo is the mean luma (BT.601) of its sRGB values, in [0, 1]. A stop
more is twice the light. sRGB values grow approximately with the 2.2nd root of the light, so
a stop multiplies brightness by 2^(1 / 2.2) = 1.37: exactly for a grey photo and a pure power
law, approximately for sRGB and for photos without clipped areas.

Plain Python, because programs that run an exported network need it too.
"""

from __future__ import annotations

import math

# Exponent of the power law that is closest to the sRGB curve.
GAMMA = 2.2
# The valid range of a brightness, given or predicted: neither black nor white.
DARKEST, BRIGHTEST = 0.02, 0.95
# More stops than lie between any two of these.
_MOST_STOPS = 32.0
# Given in place of a brightness, it makes the network use its own prediction.
AUTOMATIC = 0.0
# BT.601, of R, G and B.
LUMA = (0.299, 0.587, 0.114)
# Cb and Cr of the same, full range, as in JFIF.
CHROMA = ((-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def expose(brightness: float, stops: float) -> float:
    """Returns the brightness `stops` (EV) above another, limited to the valid range.

    Args:
      brightness: mean luma in [0, 1].
      stops: negative for darker.
    """
    stops = min(max(stops, -_MOST_STOPS), _MOST_STOPS)
    return min(max(brightness * 2.0 ** (stops / GAMMA), DARKEST), BRIGHTEST)


def stops_between(brightness: float, other: float) -> float:
    """Returns how many stops (EV) brighter `other` is, the inverse of `expose`."""
    return GAMMA * math.log2(other / brightness)
