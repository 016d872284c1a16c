"""CIEDE2000, the colour difference that eyes see (Sharma et al., Color Res. Appl. 2005).

0 is equal, about 1 is the least that an observer notices side by side, 100 is black beside white.
scikit-image computes it, from sRGB under D65.
"""

from __future__ import annotations

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

# Pixels at a time: the formula makes some forty arrays of them in float64.
_PIXELS = 2**18


def photo_ciede2000(image: np.ndarray, reference: np.ndarray) -> float:
    """Returns the mean colour difference over all pixels; lower is better.

    Args:
      image: sRGB float32 [H, W, 3] in [0, 1].
      reference: the same.
    """
    rows = max(1, _PIXELS // image.shape[1])
    total = 0.0
    for top in range(0, len(image), rows):
        # In float64: float32 would make nearby hues equal.
        colours = (rgb2lab(x[top : top + rows].astype(np.float64)) for x in (image, reference))
        total += float(deltaE_ciede2000(*colours).sum())
    return total / (image.shape[0] * image.shape[1])
