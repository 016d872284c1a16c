"""How far apart two results in float32 may be that are equal on paper.

Libraries choose their kernels by the CPU (oneDNN, Eigen, XNNPACK, XLA, MLAS), and the kernels
differ in the order of their additions and in which products they fuse. So a tolerance follows
from the arithmetic, not from what one machine happened to give.
"""

from __future__ import annotations

import math

import numpy as np

# From 1 to the next float32: 1.2e-7. An operation is off by half of it, relatively.
EPSILON = float(np.finfo(np.float32).eps)

# The longest chain of additions inside a mean over many values, which libraries take in blocks.
BLOCK = 256

# Two SSIM of whole photos. It divides variances, differences of mean squares of up to 1, by 0.03^2
# or more. The order in which a window is summed up is the same in all windows, so that rounding
# does not average out: about one EPSILON is left. Of a single window nothing averages out.
SSIM = EPSILON / 0.03**2
SSIM_OF_ONE_WINDOW = 4 * SSIM

# Products that are added up on the longest way through the tiny network: in each of two
# generators, 14 convolutions behind one another, of 24 to 108 products.
_NETWORK_TERMS = 2 * 900


def rounding(terms: int = 1, magnitude: float = 1.0) -> float:
    """Returns how far two sums of the same terms may be apart.

    Errors of rounding are as good as independent: those of `terms` operations add up to
    EPSILON / 2 times the root of their number (Higham and Mary, SIAM J. Sci. Comput. 2019), here
    four times, which next to no value exceeds; and both sums have them.

    Args:
      terms: operations behind one another.
      magnitude: of what is added up. With 1, the result is a relative tolerance.
    """
    return 4 * EPSILON * math.sqrt(terms) * magnitude


def network_rounding(magnitude: float = 1.0) -> float:
    """Returns how far two results of the tiny network may be apart.

    Args:
      magnitude: root of the mean square of the results, before they are limited.
    """
    return rounding(_NETWORK_TERMS, magnitude)
