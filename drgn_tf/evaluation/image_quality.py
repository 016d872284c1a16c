"""Image-quality metrics of networks and classical baselines on whole photos.

    enhance     the 8-bit photo, whole or in tiles, by any artefact
    round       to 8 bits, as the result would be saved
    measure     each of the columns that were asked for
    compare     with the same metrics of the untouched photo

Photos are read, enhanced and measured one at a time.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from drgn_tf.data.decoded_photos import read_rows
from drgn_tf.data.pairs import Pair
from drgn_tf.errors import BadImageError
from drgn_tf.evaluation import columns
from drgn_tf.evaluation.methods import GIVEN, INPUT, Method
from drgn_tf.images.photos import read_photo, to_float, to_uint8
from drgn_tf.metrics.photo_similarity import photo_luma

# Called with the name of a row, the stem of a photo and its enhanced pixels.
Keep = Callable[[str, str, np.ndarray], None]

PROTOCOL = (
    "Whole photos; results rounded to 8 bits before measuring; the reference as it is. "
    "(given): results whose brightness was given, the mean luma of the reference; these use the "
    "reference. Means are over photos."
)
UNPAIRED_PROTOCOL = "Means are over the photos that have a value in all rows."


@dataclasses.dataclass(frozen=True)
class PhotoMetrics:
    """The metrics of one photo.

    Attributes:
      stem: of its file.
      rows: values by metric, of the untouched photo (`methods.INPUT`), of each method's result and,
        where its brightness can be given, of the result that has the reference's
        (`methods.GIVEN`). NaN where the photo has none.
    """

    stem: str
    rows: Mapping[str, Mapping[str, float]]


def _nothing(row: str, stem: str, enhanced: np.ndarray) -> None:
    pass


def similarity(
    image: np.ndarray, reference: np.ndarray, names: Sequence[str] = columns.FAST
) -> dict[str, float]:
    """Measures an image against its reference.

    Args:
      image: uint8 [H, W, 3], at least 11x11.
      reference: uint8 or uint16 [H, W, 3].
      names: of `columns.SIMILARITY`.
    """
    image, reference = to_float(image), to_float(reference)
    return {name: columns.SIMILARITY[name].measure(image, reference) for name in names}


def read_pair(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Returns the low-light photo, uint8, and the reference, uint8 or uint16, [H, W, 3].

    Raises:
      UserError: one of them cannot be used, or their sizes differ.
    """
    low, high = read_rows([(pair.low, pair.high)])[pair.stem]
    return to_uint8(low), high


def evaluate_pairs(
    methods: Sequence[Method],
    pairs: Iterable[Pair],
    keep: Keep = _nothing,
    names: Sequence[str] = columns.FAST,
) -> Iterator[PhotoMetrics]:
    """Measures pairs, one at a time.

    Args:
      methods: what enhances the photos.
      pairs: from `drgn_tf.data.pairs.find_pairs`.
      keep: called with each enhanced photo whose brightness was not given.
      names: of the metrics, in `columns.SIMILARITY`.

    Raises:
      UserError: a photo cannot be used.
    """
    for pair in pairs:
        low, high = read_pair(pair)
        brightness = float(photo_luma(to_float(high)).mean())
        rows = {INPUT: similarity(low, high, names)}
        for method in methods:
            enhanced = method.enhance(low)
            keep(method.name, pair.stem, enhanced)
            rows[method.name] = similarity(enhanced, high, names)
            if method.enhance_to is not None:
                told = method.enhance_to(low, brightness)
                rows[method.name + GIVEN] = similarity(told, high, names)
        yield PhotoMetrics(pair.stem, rows)


def evaluate_unpaired(
    methods: Sequence[Method], paths: Iterable[pathlib.Path], keep: Keep = _nothing
) -> Iterator[PhotoMetrics]:
    """Measures photos without reference, one at a time; see `evaluate_pairs`.

    The metrics are `columns.NATURALNESS`.
    """
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
        images = {INPUT: photo}
        for method in methods:
            images[method.name] = method.enhance(photo)
            keep(method.name, path.stem, images[method.name])
        rows = {row: {"niqe": niqe(image), **_shares(image)} for row, image in images.items()}
        yield PhotoMetrics(path.stem, rows)


# Luma below which nothing is seen on a screen in a lit room, and above which it is paper white.
_DARK, _CLIPPED = 0.15, 0.98


def _shares(photo: np.ndarray) -> dict[str, float]:
    luma = photo_luma(to_float(photo))
    return {"dark": float((luma < _DARK).mean()), "clipped": float((luma > _CLIPPED).mean())}


def mean_metrics(photos: Sequence[PhotoMetrics]) -> dict[str, dict[str, float]]:
    """Returns the means over photos, by row, then by metric.

    Photos that lack a metric (NaN) in one row are left out of the means of all.
    """
    rows = list(photos[0].rows)
    names = list(photos[0].rows[INPUT])
    every = np.array([[[*photo.rows[row].values()] for row in rows] for photo in photos])
    values = every[~np.isnan(every).any(axis=(1, 2))]
    means = values.mean(axis=0) if len(values) else np.full(every.shape[1:], math.nan)
    return {row: dict(zip(names, map(float, of))) for row, of in zip(rows, means)}


def best_median_worst(photos: Sequence[PhotoMetrics], row: str) -> dict[str, PhotoMetrics]:
    """Returns the best, the median and the worst photo by a row's first metric, each only once."""
    name = next(iter(photos[0].rows[row]))
    sign = -1 if columns.SIMILARITY[name].better == "higher" else 1
    ranked = sorted(photos, key=lambda photo: sign * photo.rows[row][name])
    places = {"best": 0, "worst": len(ranked) - 1, "median": len(ranked) // 2}
    chosen: dict[int, str] = {}
    for place, number in places.items():
        chosen.setdefault(number, place)
    return {chosen[number]: ranked[number] for number in sorted(chosen)}
