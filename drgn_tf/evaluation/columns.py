"""The columns of the tables: what each metric is, and in which direction it is better."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Iterable

import numpy as np

from drgn_tf.errors import UserError
from drgn_tf.metrics.photo_similarity import (
    photo_luma,
    photo_psnr,
    photo_ssim,
    scale_photo_to_gt_mean,
)

# An image and its reference, float32 [H, W, 3] in [0, 1], at least 11x11 -> the value.
Measure = Callable[[np.ndarray, np.ndarray], float]


@dataclasses.dataclass(frozen=True)
class Column:
    """One metric.

    Attributes:
      heading: in printed tables; in brackets if the metric uses the reference to change the result.
      better: "higher" or "lower"; "" where neither is.
      digits: behind the point, in printed tables.
      definition: for those who repeat the measurement.
    """

    heading: str
    better: str
    digits: int
    definition: str

    @property
    def title(self) -> str:
        """The heading with an arrow in the direction that is better."""
        return " ".join([self.heading, *_ARROWS[self.better]])

    def shown(self, value: float) -> str:
        """Returns a value as tables show it."""
        return "-" if math.isnan(value) else f"{value:.{self.digits}f}"


@dataclasses.dataclass(frozen=True)
class Comparison(Column):
    """One metric against a reference.

    Attributes:
      measure: computes it.
      package: module of the extra `eval` that it needs, or "".
    """

    measure: Measure
    package: str = ""


_ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def _ciede2000(image: np.ndarray, reference: np.ndarray) -> float:
    from drgn_tf.metrics.colour_difference import photo_ciede2000

    return photo_ciede2000(image, reference)


def _flip(image: np.ndarray, reference: np.ndarray) -> float:
    from drgn_tf.metrics.flip import photo_flip

    return photo_flip(image, reference)


def _of_luma(measure: Measure) -> Measure:
    return lambda image, reference: measure(photo_luma(image), photo_luma(reference))


def _of_gt_mean(measure: Measure) -> Measure:
    return lambda image, reference: measure(scale_photo_to_gt_mean(image, reference), reference)


_LUMA = "the same on BT.601 luma (0.299 R + 0.587 G + 0.114 B), not rounded"
_GT_MEAN = (
    "the colour metric after the result was scaled so that its mean luma equals that of the "
    "reference, and limited to [0, 1]; uses the reference"
)

# Of a photo and its reference, by name.
SIMILARITY = {
    "psnr": Comparison(
        "PSNR dB",
        "higher",
        3,
        "peak 1, mean squared error over all pixels and RGB channels of a photo, in dB",
        photo_psnr,
    ),
    "ssim": Comparison(
        "SSIM",
        "higher",
        4,
        "11x11 Gaussian windows (sigma 1.5) without padding, mean over windows and RGB channels",
        photo_ssim,
    ),
    "psnr_luma": Comparison("PSNR luma", "higher", 3, _LUMA, _of_luma(photo_psnr)),
    "ssim_luma": Comparison("SSIM luma", "higher", 4, _LUMA, _of_luma(photo_ssim)),
    "psnr_gt_mean": Comparison("(PSNR GT-mean)", "higher", 3, _GT_MEAN, _of_gt_mean(photo_psnr)),
    "ssim_gt_mean": Comparison("(SSIM GT-mean)", "higher", 4, _GT_MEAN, _of_gt_mean(photo_ssim)),
    "ciede2000": Comparison(
        "CIEDE2000",
        "lower",
        3,
        "colour difference (Sharma et al. 2005) of sRGB under D65, mean over the pixels of a photo",
        _ciede2000,
        "skimage",
    ),
    "flip": Comparison(
        "FLIP",
        "lower",
        4,
        "LDR-FLIP (Andersson et al. 2020), mean over the pixels of a photo, 67 pixels per degree",
        _flip,
        "flip_evaluator",
    ),
}
# Those that need no extra, and no more time than a small network.
FAST = tuple(name for name, column in SIMILARITY.items() if not column.package)

# Of a photo without reference.
NATURALNESS = {
    "niqe": Column(
        "NIQE",
        "lower",
        3,
        "without reference; published parameters of natural photos, blocks of 96x96 pixels, grey "
        "rounded to 8 bits; null where a photo has no structure",
    ),
    "dark": Column("dark", "", 4, "share of pixels of BT.601 luma below 0.15"),
    "clipped": Column("clipped", "", 4, "share of pixels of BT.601 luma above 0.98"),
}

# `drgn_tf.metrics.detection` defines these.
DETECTION = {
    "precision": Column("precision", "higher", 4, ""),
    "recall": Column("recall", "higher", 4, ""),
    "iou": Column("IoU", "higher", 4, ""),
    "map_50": Column("mAP 50", "higher", 4, ""),
    "map": Column("mAP", "higher", 4, ""),
}

COLUMNS = {**SIMILARITY, **NATURALNESS, **DETECTION}


def protocol(names: Iterable[str]) -> str:
    """Returns the definitions of metrics, with the directions that are better, as one text."""
    return " ".join(
        f"{name}: {COLUMNS[name].definition}"
        + (f"; {COLUMNS[name].better} is better." if COLUMNS[name].better else ".")
        for name in names
    )


def check(names: Iterable[str]) -> None:
    """Makes sure that metrics against a reference can be measured.

    Raises:
      UserError: there is no such metric.
      ModuleNotFoundError: it needs an extra that is not installed.
    """
    for name in names:
        if name not in SIMILARITY:
            raise UserError(
                f"--metrics: there is no '{name}'; choose from {', '.join(SIMILARITY)}, or all."
            )
        if SIMILARITY[name].package:
            importlib.import_module(SIMILARITY[name].package)
