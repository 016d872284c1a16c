"""Measures a folder of photos against the network alone on the same tiles.

  python -m benchmarks.folder --model=mobile --photos=8 --megapixels=12

Three things in turn, round after round, each from JPEG to JPEG but for the network:
  folder    all photos as `drgn-enhance` runs a folder: several at once
  one       one photo, as `drgn-enhance` runs it: all cores on one network
  network   the tiles alone, decoded and cut beforehand, with the networks and threads of either
The shares are the seconds of the network over the seconds of the whole.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
from absl import flags
from PIL import Image

from benchmarks.photos import dark_photo, size_of
from benchmarks.report import Report, run
from benchmarks.timing import alternate
from drgn_tf.images.photos import to_float
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.batch import Job, enhance_file, needed_memory
from drgn_tf.inference.tiling import grid
from drgn_tf.inference.workers import Workers

_MODEL = flags.DEFINE_string("model", "mobile", "As of drgn-enhance.")
_PHOTOS = flags.DEFINE_integer("photos", 8, "How many the folder holds.", 1)
_MEGAPIXELS = flags.DEFINE_float("megapixels", 12.0, "Of each.", 0.1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of measurements; medians are shown.", 1)


def _open(threads: int | None, trusted: bool) -> Enhancer:
    return Enhancer(load_driver(_MODEL.value, threads, trusted))


def _enhance_all(workers: Workers, jobs: list[Job]) -> None:
    workers.each(jobs, enhance_file, needed_memory, lambda job, result: result())


def _network(workers: Workers, photo: np.ndarray, photos: int) -> Callable[[], None]:
    """Returns what runs the network on all tiles of so many photos."""
    enhancer = workers.enhancers[0]
    rows, columns = grid(enhancer.driver, *photo.shape[:2], enhancer.tiling)
    tiles = [
        to_float(photo[row.start : row.stop, column.start : column.stop])[np.newaxis]
        for row in rows
        for column in columns
    ]
    thumbnail = enhancer.thumbnail(photo)

    def all_tiles(enhancer: Enhancer, _: int) -> None:
        for tile in tiles:
            enhancer.driver.run(tile, thumbnail)

    return lambda: workers.each(
        range(photos), all_tiles, lambda _: 0, lambda item, result: result()
    )


def _measure() -> None:
    height, width = size_of(_MEGAPIXELS.value)
    photo = dark_photo(height, width)
    count = _PHOTOS.value
    with tempfile.TemporaryDirectory() as folder:
        jobs = []
        for number in range(count):
            source = pathlib.Path(folder, f"{number}.jpg")
            Image.fromarray(photo).save(source, quality=95)
            jobs.append(Job(source, pathlib.Path(folder, "out", source.name)))
        many, one = Workers(_open, count), Workers(_open, 1)
        times = alternate(
            {
                "folder": lambda: _enhance_all(many, jobs),
                "network of folder": _network(many, photo, count),
                "one": lambda: _enhance_all(one, jobs[:1]),
                "network of one": _network(one, photo, 1),
            },
            _ROUNDS.value,
            0.0,
        )
    report = Report(f"{count} photos of {width}x{height}, {_MODEL.value}")
    rows = [
        {
            "": name,
            "networks": len(workers.enhancers),
            "s per photo": times[name] / photos,
            "s per MP": 1e6 * times[name] / photos / (height * width),
            "network alone, s per photo": times[f"network of {name}"] / photos,
            "share of the network": times[f"network of {name}"] / times[name],
        }
        for name, workers, photos in (("folder", many, count), ("one", one, 1))
    ]
    report.table("JPEG to JPEG", rows)
    report.save()


if __name__ == "__main__":
    run(_measure)
