"""FLIP, the difference seen when two images alternate on a screen (Andersson et al., HPG 2020).

It filters by what the eye resolves at a viewing distance, and compares colours, edges and points.
0 is equal, 1 is the largest difference there is. Its authors' package computes it; the viewing
distance is their default, 0.7 m from a screen 0.7 m and 3840 pixels wide (67 pixels per degree).
"""

from __future__ import annotations

import flip_evaluator
import numpy as np


def photo_flip(image: np.ndarray, reference: np.ndarray) -> float:
    """Returns the mean of LDR-FLIP over all pixels, in [0, 1]; lower is better.

    Args:
      image: sRGB float32 [H, W, 3] in [0, 1].
      reference: the same.
    """
    # The empty dict stands in for a default that the package changes.
    _, mean, _ = flip_evaluator.evaluate(
        np.ascontiguousarray(reference, np.float32),
        np.ascontiguousarray(image, np.float32),
        "LDR",
        applyMagma=False,
        parameters={},
    )
    return float(mean)
