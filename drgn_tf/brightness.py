"""How bright a photo is, and what a photographic stop more of it is.

The brightness of a photo is the mean luma (BT.601) of its sRGB values, in [0, 1]: what a
histogram shows, and what a person means by "darker". Photographers count in stops (EV): one
more is twice the light. sRGB values grow nearly with the light's 2.2nd root, so a stop
multiplies brightness by 2^(1 / 2.2) = 1.37, exactly so for a grey photo in a pure power law,
nearly so for sRGB and for photos that are not clipped.

Plain Python: what runs an exported network needs it too.
"""

from __future__ import annotations

import math

# Exponent that sRGB's curve is closest to.
GAMMA = 2.2
# What can be asked for, and what a network predicts at most: neither black nor white.
DARKEST, BRIGHTEST = 0.02, 0.95
# More stops than lie between any two of these.
_MOST_STOPS = 32.0
# Given in place of a brightness, asks the network for its own prediction.
AUTOMATIC = 0.0
# BT.601, of R, G and B.
LUMA = (0.299, 0.587, 0.114)


def expose(brightness: float, stops: float) -> float:
    """Returns the brightness that lies `stops` (EV) above another, within what can be asked for.

    Args:
      brightness: mean luma in [0, 1].
      stops: negative for darker.
    """
    stops = min(max(stops, -_MOST_STOPS), _MOST_STOPS)
    return min(max(brightness * 2.0 ** (stops / GAMMA), DARKEST), BRIGHTEST)


def stops_between(brightness: float, other: float) -> float:
    """Returns by how many stops (EV) `other` is brighter, the inverse of `expose`."""
    return GAMMA * math.log2(other / brightness)
