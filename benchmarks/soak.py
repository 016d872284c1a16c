"""Enhances thousands of photos and a long film in one process; measures memory and open files.

  python -m benchmarks.soak
  python -m benchmarks.soak --photos=50000 --frames=50000 --json=soak.json

Both are as small as the network is quick with, because leaks come by the photo, not by the pixel.
The first tenth is warm-up, to which all later rows are related.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Callable

import cv2
import numpy as np
from absl import flags
from PIL import Image

from benchmarks.photos import dark_photo
from benchmarks.report import Report, run
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.batch import enhance_file
from drgn_tf.inference.plan import Job

_PHOTOS = flags.DEFINE_integer("photos", 5000, "Number of photos.", 10)
_FRAMES = flags.DEFINE_integer("frames", 5000, "Frames of the film.", 10)
_MODEL = flags.DEFINE_string("model", "mobile", "See drgn-enhance.")
# Height and width in pixels.
_SIZE = (48, 64)


class _Meter:
    """Notes memory and open files of this process at each tenth of the work.

    Args:
      count: of photos or frames.
      unit: their name.
    """

    def __init__(self, count: int, unit: str):
        self.rows: list[dict] = []
        self._marks = [count * tenth // 10 for tenth in range(1, 11)]
        self._unit = unit
        self._done = 0

    def __call__(self) -> None:
        """Is called after each."""
        self._done += 1
        if self._done != self._marks[0]:
            return
        self._marks = [*self._marks[1:], -1]
        pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        files = len(os.listdir("/proc/self/fd"))
        first = self.rows[0] if self.rows else {"memory MB": memory, "open files": files}
        self.rows.append(
            {
                self._unit: self._done,
                "memory MB": memory,
                "memory / after warm-up": memory / first["memory MB"],
                "open files": files,
                "open files / after warm-up": files / first["open files"],
            }
        )


def _enhance_photos(enhancer: Enhancer, folder: pathlib.Path) -> list[dict]:
    sources = [folder / f"{more}.png" for more in range(5)]
    for more, source in enumerate(sources):
        Image.fromarray(dark_photo(_SIZE[0] + 4 * more, _SIZE[1] + more)).save(source)
    meter = _Meter(_PHOTOS.value, "photos")
    for index in range(_PHOTOS.value):
        # Of several sizes and formats, with a comparison now and then.
        source, suffix = sources[index % 5], (".jpg", ".png", ".webp")[index % 3]
        target = folder / "out" / f"{index}{suffix}"
        comparison = target.with_stem(f"{index}_compare") if index % 10 == 0 else None
        enhance_file(enhancer, Job(source, target, comparison))
        meter()
    return meter.rows


def _enhance_film(enhancer: Enhancer, folder: pathlib.Path) -> list[dict]:
    source, (height, width) = folder / "film.mp4", _SIZE
    photo = dark_photo(height + 50, width + 50)[:, :, ::-1]
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (width, height))
    for index in range(_FRAMES.value):
        row, column = index % 50, index // 7 % 50
        writer.write(np.ascontiguousarray(photo[row : row + height, column : column + width]))
    writer.release()
    meter = _Meter(_FRAMES.value, "frames")

    def start(frames: int) -> Callable[[], object]:
        return meter

    enhance_file(enhancer, Job(source, folder / "out" / "film.mp4"), start=start)
    return meter.rows


def main() -> None:
    """Enhances, measures and prints."""
    report = Report("Memory and open files over many photos and frames")
    enhancer = Enhancer(load_driver(_MODEL.value, threads=1))
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for title, enhance in (("photos", _enhance_photos), ("film", _enhance_film)):
            report.table(f"{title} of {_SIZE[1]}x{_SIZE[0]}", enhance(enhancer, folder))
    report.save()


if __name__ == "__main__":
    run(main)
