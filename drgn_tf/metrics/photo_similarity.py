"""PSNR, SSIM, luma and GT-mean of one whole photo, on the host.

Papers measure either colour or grey, and results either as they are or scaled to the brightness of
the reference (GT-mean). Both choices change the metrics by decibels, so each has its own name.

PSNR and SSIM are also in `drgn_tf.metrics.batch_similarity`, which serves batches inside a graph on
any backend: there the windows of SSIM are depthwise convolutions, here OpenCV's separable filter,
ten times as fast on a CPU, and nothing but numpy and OpenCV is needed. Tests hold the two together.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from drgn_tf.brightness import LUMA
from drgn_tf.metrics.constants import BLACK, C1, C2, HIGHEST_PSNR, SIGMA, WINDOW


def photo_psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Returns the PSNR in dB for a peak of 1, at most 100.

    Args:
      image: float32 [H, W, C] or [H, W] in [0, 1].
      reference: the same.
    """
    error = float(np.mean(np.square(image - reference, dtype=np.float64)))
    smallest = 10.0 ** (-HIGHEST_PSNR / 10.0)
    return -10.0 * math.log10(max(error, smallest))


def photo_ssim(image: np.ndarray, reference: np.ndarray) -> float:
    """Returns the SSIM, the mean over colour channels and windows that lie inside.

    Args:
      image: float32 [H, W, C] or [H, W] in [0, 1], at least 11x11.
      reference: the same.

    Raises:
      ValueError: they are smaller.
    """
    if min(image.shape[:2]) < WINDOW:
        raise ValueError(
            f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels, not "
            f"{image.shape[1]}x{image.shape[0]}."
        )
    if image.ndim == 3:
        # One at a time: a dozen arrays of 8 bytes a value are in memory.
        channels = zip(np.moveaxis(image, -1, 0), np.moveaxis(reference, -1, 0))
        return float(np.mean([photo_ssim(x, y) for x, y in channels]))
    # Differences of squares cancel in flat bright windows; float32 would lose their digits.
    x, y = image.astype(np.float64), reference.astype(np.float64)
    window = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    margin = WINDOW // 2

    def mean(values: np.ndarray) -> np.ndarray:
        filtered = cv2.sepFilter2D(values, cv2.CV_64F, window, window)
        return filtered[margin:-margin, margin:-margin]

    mean_x, mean_y = mean(x), mean(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = mean(x * y) - product
    variances = mean(x**2 + y**2) - squares
    similarity = (2 * product + C1) / (squares + C1) * (2 * covariance + C2) / (variances + C2)
    return float(similarity.mean())


def photo_luma(image: np.ndarray) -> np.ndarray:
    """Returns the grey values of an RGB image, float32 [H, W, 3]: BT.601 luma [H, W]."""
    return image @ np.array(LUMA, np.float32)


def scale_photo_to_gt_mean(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Scales an image so that its grey mean is that of its reference (GT-mean).

    It uses the reference, which nobody has when enhancing a photo: metrics of such images rate the
    content apart from its overall brightness.

    Args:
      image: float32 [H, W, 3] in [0, 1].
      reference: the same.

    Returns:
      float32 [H, W, 3] in [0, 1], to which it is limited, so that the means differ again where
      large parts are bright; a black image stays black.
    """
    mean, wanted = (float(photo_luma(x).mean(dtype=np.float64)) for x in (image, reference))
    return np.clip(image * np.float32(wanted / max(mean, BLACK)), 0.0, 1.0)
