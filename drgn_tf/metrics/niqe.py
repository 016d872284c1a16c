"""NIQE, the naturalness of a photo without a reference (Mittal et al., IEEE SPL 2013).

    grey        as MATLAB's `rgb2gray`, rounded to 8 bits
    normalise   subtract the mean and divide by the standard deviation of a 7x7 Gaussian window
    blocks      96x96 pixels; 48x48 of the photo at half size; incomplete blocks are dropped
    features    18 per block and size: shapes of the distributions of the values and of
                the products of neighbours (asymmetric generalised Gaussians)
    distance    between mean and covariance of the features and those of natural photos

Lower is more natural. The parameters of natural photos, `niqe_model.npz`, are those that
the authors published; `niqe_model_NOTICE.txt` has their terms. As in the authors'
program, the halved photo is made by bicubic interpolation with antialiasing.
"""

from __future__ import annotations

import functools
import pathlib

import numpy as np
from scipy import ndimage, special

# Side of a block in pixels, that of the published parameters.
BLOCK = 96
# BT.601 luma with MATLAB's digits: rounding makes them matter in dark photos.
_GREY = np.array([0.298936021293776, 0.587043074451121, 0.114020904255103])
_WINDOW_RADIUS = 3
_WINDOW_SIGMA = 7 / 6
# Neighbours whose products are used: right, below, and the two diagonals.
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10.001, 0.001)
# Bicubic (Keys, a = -1/2), stretched to half the size: taps at 0.5, 1.5, 2.5, 3.5 pixels.
_HALF_TAPS = np.array([111, 29, -9, -3]) / 256.0
_MODEL = pathlib.Path(__file__).parent / "niqe_model.npz"


def niqe(photo: np.ndarray) -> float:
    """Returns the NIQE of a photo; lower is more natural.

    Args:
      photo: RGB uint8 [H, W, 3]; see `fits`.

    Returns:
      The distance; NaN if fewer than two blocks have structure, as in a black photo.

    Raises:
      ValueError: the photo is too small.
    """
    height, width = photo.shape[:2]
    if not fits(height, width):
        raise ValueError(
            f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels; {width}x{height} is too small."
        )
    rows, columns = height // BLOCK, width // BLOCK
    grey = np.round(photo[: rows * BLOCK, : columns * BLOCK] @ _GREY)
    # The features of a block without structure are NaN, and left out below.
    with np.errstate(invalid="ignore", divide="ignore"):
        features = np.concatenate(
            [_block_features(_normalised(image), rows, columns) for image in (grey, halve(grey))],
            axis=1,
        )
    usable = features[~np.isnan(features).any(axis=1)]
    if len(usable) < 2:
        return float("nan")
    natural_mean, natural_covariance = _natural()
    difference = natural_mean - np.nanmean(features, axis=0)
    covariance = (natural_covariance + np.cov(usable, rowvar=False)) / 2
    return float(np.sqrt(difference @ np.linalg.pinv(covariance) @ difference))


def fits(height: int, width: int) -> bool:
    """Tells whether a photo is large enough: the covariance needs two blocks."""
    return (height // BLOCK) * (width // BLOCK) >= 2


def halve(image: np.ndarray) -> np.ndarray:
    """Returns an image [H, W] of even sides at half the size, as MATLAB's `imresize` does."""
    taps = np.concatenate([_HALF_TAPS[::-1], _HALF_TAPS])
    for axis in (0, 1):
        # The middle of the 8 taps lies between pixel i and pixel i + 1.
        image = ndimage.correlate1d(image, taps, axis=axis, mode="reflect", origin=-1)
        image = image.take(range(0, image.shape[axis], 2), axis=axis)
    return image


@functools.cache
def _natural() -> tuple[np.ndarray, np.ndarray]:
    with np.load(_MODEL) as model:
        return model["mean"], model["covariance"]


def _normalised(image: np.ndarray) -> np.ndarray:
    def blur(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, _WINDOW_SIGMA, mode="nearest", radius=_WINDOW_RADIUS)

    mean = blur(image)
    spread = np.sqrt(np.abs(blur(image * image) - mean * mean))
    normalised = (image - mean) / (spread + 1.0)
    # Exactly flat areas: round-off must not count as structure.
    return np.where(np.abs(normalised) < 1e-9, 0.0, normalised)


def _block_features(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns the features of each block [rows * columns, 18]."""
    high, wide = image.shape[0] // rows, image.shape[1] // columns
    blocks = image.reshape(rows, high, columns, wide).swapaxes(1, 2).reshape(-1, high, wide)
    return np.array([_features(block) for block in blocks])


def _features(block: np.ndarray) -> list[float]:
    shape, left, right = _fit(block)
    features = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        shape, left, right = _fit(block * np.roll(block, shift, axis=(0, 1)))
        mean = (right - left) * special.gamma(2 / shape) / special.gamma(1 / shape)
        features += [shape, mean, left, right]
    return features


def _fit(values: np.ndarray) -> tuple[float, float, float]:
    """Fits an asymmetric generalised Gaussian; returns its shape, left and right scale."""
    squares = values * values
    left, right = (
        np.sqrt(np.sum(squares[side]) / np.count_nonzero(side)) for side in (values < 0, values > 0)
    )
    ratio = left / right
    target = np.mean(np.abs(values)) ** 2 / np.mean(squares)
    target *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = _SHAPES[np.argmin((_moment_ratios() - target) ** 2)]
    scale = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, left * scale, right * scale


@functools.cache
def _moment_ratios() -> np.ndarray:
    gamma = special.gamma
    return gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
