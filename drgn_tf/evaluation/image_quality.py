"""Metrics of a network on whole photos, as they would be used.

    enhance     the 8-bit photo as it is, whole or in tiles, by any artefact
    round       to 8 bits: what is measured is what would be saved
    measure     colour, luma, and scaled to the reference's brightness, side by side
    the same    for the untouched photo, without which no metric says anything

Photos are read, enhanced and measured one at a time.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from drgn_tf.data.decoded_photos import read_rows
from drgn_tf.data.pairs import Pair
from drgn_tf.errors import BadImageError
from drgn_tf.images.photos import read_photo, to_float, to_uint8
from drgn_tf.metrics.photo_similarity import (
    photo_luma,
    photo_psnr,
    photo_ssim,
    scale_photo_to_gt_mean,
)

# uint8 [H, W, 3] -> uint8 [H, W, 3].
Enhance = Callable[[np.ndarray], np.ndarray]
# Is told the stem of a photo and its enhanced pixels.
Keep = Callable[[str, np.ndarray], None]

PROTOCOL = (
    "Whole photos; results rounded to 8 bits before measuring; the reference as it is. "
    "psnr: peak 1, mean squared error over all pixels and RGB channels of a photo, in dB. "
    "ssim: 11x11 Gaussian windows (sigma 1.5) without padding, mean over windows and RGB channels. "
    "psnr_luma, ssim_luma: the same on BT.601 luma (0.299 R + 0.587 G + 0.114 B), not rounded. "
    "psnr_gt_mean, ssim_gt_mean: the colour metrics after the result was scaled so that its mean "
    "luma equals that of the reference, and limited to [0, 1]; these use the reference. "
    "Means are over photos."
)
UNPAIRED_PROTOCOL = (
    "niqe: without reference, lower is more natural; published parameters of natural photos, "
    "blocks of 96x96 pixels, grey rounded to 8 bits; null where a photo has no structure. "
    "Means are over the photos that have a value both before and after."
)


@dataclasses.dataclass(frozen=True)
class Similarity:
    """How close one image is to its reference; `PROTOCOL` defines each metric.

    Attributes:
      psnr: in dB, at most 100.
      ssim: at most 1.
      psnr_luma: in dB.
      ssim_luma: at most 1.
      psnr_gt_mean: in dB; uses the reference.
      ssim_gt_mean: at most 1; uses the reference.
    """

    psnr: float
    ssim: float
    psnr_luma: float
    ssim_luma: float
    psnr_gt_mean: float
    ssim_gt_mean: float


@dataclasses.dataclass(frozen=True)
class Naturalness:
    """How natural one image looks.

    Attributes:
      niqe: lower is more natural; NaN if the image has no structure.
    """

    niqe: float


Metrics = TypeVar("Metrics", bound=Similarity | Naturalness)


@dataclasses.dataclass(frozen=True)
class PhotoMetrics(Generic[Metrics]):
    """The metrics of one photo.

    Attributes:
      stem: of its file.
      input: of the untouched photo.
      enhanced: of the enhanced one.
    """

    stem: str
    input: Metrics
    enhanced: Metrics


def similarity(image: np.ndarray, reference: np.ndarray) -> Similarity:
    """Measures an image against its reference.

    Args:
      image: uint8 [H, W, 3], at least 11x11.
      reference: uint8 or uint16 [H, W, 3].
    """
    image, reference = to_float(image), to_float(reference)
    values = []
    for x, y in (
        (image, reference),
        (photo_luma(image), photo_luma(reference)),
        (scale_photo_to_gt_mean(image, reference), reference),
    ):
        values += [photo_psnr(x, y), photo_ssim(x, y)]
    return Similarity(*values)


def read_pair(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Returns the low-light photo, uint8, and the reference, uint8 or uint16, [H, W, 3].

    Raises:
      UserError: one of them cannot be used, or their sizes differ.
    """
    low, high = read_rows([(pair.low, pair.high)])[pair.stem]
    return to_uint8(low), high


def evaluate_pairs(
    enhance: Enhance, pairs: Iterable[Pair], keep: Keep = lambda stem, enhanced: None
) -> Iterator[PhotoMetrics[Similarity]]:
    """Measures pairs, one at a time.

    Args:
      enhance: the network.
      pairs: from `drgn_tf.data.pairs.find_pairs`.
      keep: is given each enhanced photo.

    Raises:
      UserError: a photo cannot be used.
    """
    for pair in pairs:
        low, high = read_pair(pair)
        enhanced = enhance(low)
        keep(pair.stem, enhanced)
        yield PhotoMetrics(pair.stem, similarity(low, high), similarity(enhanced, high))


def evaluate_unpaired(
    enhance: Enhance, paths: Iterable[pathlib.Path], keep: Keep = lambda stem, enhanced: None
) -> Iterator[PhotoMetrics[Naturalness]]:
    """Measures photos without reference, one at a time; see `evaluate_pairs`."""
    # Here, because it needs SciPy, an extra.
    from drgn_tf.metrics.niqe import BLOCK, fits, niqe

    for path in paths:
        photo = to_uint8(read_photo(path))
        height, width = photo.shape[:2]
        if not fits(height, width):
            raise BadImageError(
                f"{path}: is {width}x{height} pixels; NIQE needs two blocks of {BLOCK}x{BLOCK}, "
                "remove it."
            )
        enhanced = enhance(photo)
        keep(path.stem, enhanced)
        yield PhotoMetrics(path.stem, Naturalness(niqe(photo)), Naturalness(niqe(enhanced)))


def mean_metrics(photos: Sequence[PhotoMetrics[Metrics]]) -> dict[str, dict[str, float]]:
    """Returns the means over photos, by "input" and "enhanced", then by metric.

    Photos that lack a metric (NaN) before or after are left out of both means.
    """
    rows = [
        [list(dataclasses.asdict(x).values()) for x in (photo.input, photo.enhanced)]
        for photo in photos
    ]
    values = np.array([row for row in rows if not np.isnan(row).any()], np.float64)
    names = [field.name for field in dataclasses.fields(photos[0].input)]
    means = values.mean(axis=0) if len(values) else np.full((2, len(names)), math.nan)
    return {
        image: dict(zip(names, map(float, row))) for image, row in zip(("input", "enhanced"), means)
    }


def best_median_worst(
    photos: Sequence[PhotoMetrics[Similarity]],
) -> dict[str, PhotoMetrics[Similarity]]:
    """Returns the photos of highest, middle and lowest PSNR when enhanced, each only once."""
    ranked = sorted(photos, key=lambda photo: -photo.enhanced.psnr)
    places = {"best": 0, "worst": len(ranked) - 1, "median": len(ranked) // 2}
    chosen: dict[int, str] = {}
    for name, place in places.items():
        chosen.setdefault(place, name)
    return {chosen[place]: ranked[place] for place in sorted(chosen)}
