"""Compares the brightness of results with the brightness given to the network.

  python -m benchmarks.brightness --model=mobile --photos=LOL-v1/eval15/low,photos

Each photo is enhanced from one stop below its predicted brightness to one above. Each step prints
the mean luma of the 8-bit result over the given one: the mean over photos, and the worst photo. A
photo counts as clipped if more than 2 % of its pixels have a channel at its maximum in the
brightest result, because no network can make those brighter.
"""

from __future__ import annotations

import itertools
import pathlib

import numpy as np
from absl import flags

from benchmarks.report import Report, run
from drgn_tf.brightness import LUMA, expose
from drgn_tf.images.photos import list_photos, read_photo, to_uint8

_MODEL = flags.DEFINE_string("model", "mobile", "A network that takes a brightness.")
_PHOTOS = flags.DEFINE_list("photos", [], "Folders of low-light photos.")
_STOPS = flags.DEFINE_list(
    "stops", ["-1", "-0.5", "0", "0.5", "1"], "Stops (EV) relative to the predicted brightness."
)

# A photo counts as clipped above this share of pixels with a channel at its maximum.
_CLIPPED = 0.02


def _ratios(enhancer, photo: np.ndarray, stops: list[float]) -> tuple[list[float], list[float]]:
    """Returns mean luma over given, and mean luma, at each step; NaN where the photo clips."""
    predicted = enhancer.predicted_brightness(photo)
    ratios, means = [], []
    for step in stops:
        result = enhancer(photo, exposure=step)
        mean = float((result / 255.0).mean((0, 1)) @ LUMA)
        clipped = float((result == 255).any(-1).mean()) > _CLIPPED
        ratios.append(float("nan") if clipped else mean / expose(predicted, step))
        means.append(mean)
    return ratios, means


def _measure() -> None:
    from drgn_tf.inference import Enhancer, load_driver

    enhancer = Enhancer(load_driver(_MODEL.value))
    stops = sorted(float(step) for step in _STOPS.value)
    report = Report(f"Brightness of the results of {_MODEL.value}")
    rows, falling = [], []
    for folder in _PHOTOS.value:
        ratios = []
        for name, path in list_photos(folder).items():
            photo = to_uint8(read_photo(path))
            of_photo, means = _ratios(enhancer, photo, stops)
            ratios.append(of_photo)
            if not all(a < b for a, b in itertools.pairwise(means)):
                falling.append(f"{folder}/{name}")
        values = np.array(ratios)
        for step, column in zip(stops, values.T, strict=True):
            kept = column[np.isfinite(column)]
            worst = kept[np.argmax(np.abs(np.log(kept)))] if kept.size else float("nan")
            rows.append(
                {
                    "photos": pathlib.PurePath(folder).name,
                    "EV": step,
                    "not clipped": f"{kept.size} of {len(column)}",
                    "mean / given": float(kept.mean()) if kept.size else float("nan"),
                    "worst": float(worst),
                }
            )
    report.table("Mean luma of the result over the given one", rows)
    report.note(
        "Brightness rises from step to step on every photo."
        if not falling
        else f"Brightness does not rise on: {', '.join(falling)}."
    )
    report.save()


if __name__ == "__main__":
    run(_measure)
