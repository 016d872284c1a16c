"""Image-quality metrics of a network on whole photos.

    enhance     the 8-bit photo, whole or in tiles, by any artefact
    round       to 8 bits, as the result would be saved
    measure     colour, luma, and GT-mean, side by side
    compare     with the same metrics of the untouched photo

Photos are read, enhanced and measured one at a time.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

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
# uint8 [H, W, 3] and the mean luma that the result is to have -> uint8 [H, W, 3].
EnhanceTo = Callable[[np.ndarray, float], np.ndarray]
# Called with the stem of a photo and its enhanced pixels.
Keep = Callable[[str, np.ndarray], None]

PROTOCOL = (
    "Whole photos; results rounded to 8 bits before measuring; the reference as it is. "
    "psnr: peak 1, mean squared error over all pixels and RGB channels of a photo, in dB. "
    "ssim: 11x11 Gaussian windows (sigma 1.5) without padding, mean over windows and RGB channels. "
    "psnr_luma, ssim_luma: the same on BT.601 luma (0.299 R + 0.587 G + 0.114 B), not rounded. "
    "psnr_gt_mean, ssim_gt_mean: the colour metrics after the result was scaled so that its mean "
    "luma equals that of the reference, and limited to [0, 1]; these use the reference. "
    "given: the same of results whose brightness was given, the mean luma of the reference; these "
    "use the reference. "
    "Means are over photos."
)
UNPAIRED_PROTOCOL = (
    "niqe: without reference, lower is more natural; published parameters of natural photos, "
    "blocks of 96x96 pixels, grey rounded to 8 bits; null where a photo has no structure. "
    "dark, clipped: shares of pixels of BT.601 luma below 0.15 and above 0.98. "
    "Means are over the photos that have a value both before and after."
)


@dataclasses.dataclass(frozen=True)
class Similarity:
    """The similarity of an image to its reference; `PROTOCOL` defines each metric.

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
    """The naturalness of an image.

    Attributes:
      niqe: lower is more natural; NaN if the image has no structure.
      dark: share of pixels of luma below 0.15.
      clipped: share of pixels of luma above 0.98.
    """

    niqe: float
    dark: float
    clipped: float


Metrics = TypeVar("Metrics", bound=Similarity | Naturalness)


@dataclasses.dataclass(frozen=True)
class PhotoMetrics(Generic[Metrics]):
    """The metrics of one photo.

    Attributes:
      stem: of its file.
      input: of the untouched photo.
      enhanced: of the enhanced one.
      given: of the one that was enhanced to the brightness of its reference, if there is one.
    """

    stem: str
    input: Metrics
    enhanced: Metrics
    given: Metrics | None = None


# What is measured of each photo, by the attributes of `PhotoMetrics`.
IMAGES = ("input", "enhanced", "given")


def images_of(photo: PhotoMetrics[Any]) -> list[str]:
    """Returns those of `IMAGES` that were measured."""
    return [image for image in IMAGES if getattr(photo, image) is not None]


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
    enhance: Enhance,
    pairs: Iterable[Pair],
    keep: Keep = lambda stem, enhanced: None,
    enhance_to: EnhanceTo | None = None,
) -> Iterator[PhotoMetrics[Similarity]]:
    """Measures pairs, one at a time.

    Args:
      enhance: the network.
      pairs: from `drgn_tf.data.pairs.find_pairs`.
      keep: called with each enhanced photo.
      enhance_to: the network, if it can be told a brightness.

    Raises:
      UserError: a photo cannot be used.
    """
    for pair in pairs:
        low, high = read_pair(pair)
        enhanced = enhance(low)
        keep(pair.stem, enhanced)
        given = None
        if enhance_to is not None:
            brightness = float(photo_luma(to_float(high)).mean())
            given = similarity(enhance_to(low, brightness), high)
        yield PhotoMetrics(pair.stem, similarity(low, high), similarity(enhanced, high), given)


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
                f"{path}: is {width}x{height} pixels; NIQE needs two blocks of {BLOCK}x{BLOCK}; "
                "remove it."
            )
        enhanced = enhance(photo)
        keep(path.stem, enhanced)
        before, after = (
            Naturalness(niqe(x), *_shares(x, _DARK, _CLIPPED)) for x in (photo, enhanced)
        )
        yield PhotoMetrics(path.stem, before, after)


# Luma below which nothing is seen on a screen in a lit room, and above which it is paper white.
_DARK, _CLIPPED = 0.15, 0.98


def _shares(photo: np.ndarray, dark: float, clipped: float) -> tuple[float, float]:
    luma = photo_luma(to_float(photo))
    return float((luma < dark).mean()), float((luma > clipped).mean())


def mean_metrics(photos: Sequence[PhotoMetrics[Metrics]]) -> dict[str, dict[str, float]]:
    """Returns the means over photos, by the images of `IMAGES` that there are, then by metric.

    Photos that lack a metric (NaN) of one image are left out of the means of all.
    """
    images = images_of(photos[0])
    rows = [
        [list(dataclasses.asdict(getattr(photo, image)).values()) for image in images]
        for photo in photos
    ]
    values = np.array([row for row in rows if not np.isnan(row).any()], np.float64)
    names = [field.name for field in dataclasses.fields(photos[0].input)]
    means = values.mean(axis=0) if len(values) else np.full((len(images), len(names)), math.nan)
    return {image: dict(zip(names, map(float, row))) for image, row in zip(images, means)}


def best_median_worst(
    photos: Sequence[PhotoMetrics[Similarity]],
) -> dict[str, PhotoMetrics[Similarity]]:
    """Returns the enhanced photos with the highest, median and lowest PSNR, each only once."""
    ranked = sorted(photos, key=lambda photo: -photo.enhanced.psnr)
    places = {"best": 0, "worst": len(ranked) - 1, "median": len(ranked) // 2}
    chosen: dict[int, str] = {}
    for name, place in places.items():
        chosen.setdefault(place, name)
    return {chosen[place]: ranked[place] for place in sorted(chosen)}
