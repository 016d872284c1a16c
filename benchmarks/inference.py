"""Measures speed and memory of each artefact, relative to the machine's yardstick.

  python -m benchmarks.inference
  python -m benchmarks.inference --model=base --artefacts=exported --everything

Each artefact has its own process. All are measured in turn, round after round, each directly
after the yardstick of its runtime (`benchmarks.yardstick`). Artefacts for any size run a whole
photo, those of a fixed size an image of that size.

    share of yardstick   the network's MAC/s over those of the yardstick
    over TFLite float32  time over that of the TFLite file in float32 on the same image
    MB                   peak memory, less that before the artefact was opened
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags

from benchmarks import artefacts
from benchmarks.photos import size_of
from benchmarks.report import Report, run
from benchmarks.session import Session, opened

_MODEL = flags.DEFINE_string("model", "mobile", "Trained network, as of export_main.py.")
_ARTEFACTS = flags.DEFINE_string(
    "artefacts", "", "Folder of export_main.py with artefacts of --model. Default: makes them."
)
_MEGAPIXELS = flags.DEFINE_list("megapixels", ["0.25", "1", "4"], "Sizes of the photos.")
_THREADS = flags.DEFINE_list("threads", ["2", "1"], "Numbers of compute threads.")
_EVERYTHING = flags.DEFINE_boolean(
    "everything",
    False,
    "All artefacts at all sizes and threads. Otherwise above 1 megapixel, and with other than the "
    "first number of threads, only the first of each runtime.",
)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Number of measurements; medians are printed.", 1)
_SECONDS = flags.DEFINE_float("seconds", 0.3, "Minimum seconds per measurement.", 0.0)


def _first_of_each(paths: list[pathlib.Path]) -> list[pathlib.Path]:
    """Returns one artefact per runtime."""
    first = {path.suffix: path for path in reversed(paths)}
    return [path for path in paths if path == first[path.suffix]]


def _images(
    sessions: dict[pathlib.Path, Session],
) -> list[tuple[tuple[int, int], list[pathlib.Path]]]:
    """Returns sizes, from small to large, and the artefacts to run at each."""
    fixed: dict[tuple[int, int], list[pathlib.Path]] = {}
    for path, session in sessions.items():
        size = session.fixed_size()
        if size is not None:
            fixed.setdefault(size, []).append(path)
    free = [path for path in sessions if not any(path in paths for paths in fixed.values())]
    images = []
    for megapixels in sorted(map(float, _MEGAPIXELS.value)):
        few = megapixels > 1 and not _EVERYTHING.value
        images.append((size_of(megapixels), _first_of_each(free) if few else free))
    return [*fixed.items(), *images]


def _measure(paths: list[pathlib.Path], threads: int, macs: float, width: int) -> list[dict]:
    """Returns a row for each artefact at each size.

    Args:
      paths: of the artefacts.
      threads: number of compute threads.
      macs: of the network, per pixel.
      width: of the network.
    """
    with contextlib.ExitStack() as stack:
        sessions = {
            path: stack.enter_context(opened(Session, str(path), threads, width)) for path in paths
        }
        images = _images(sessions)
        # Memory first, because the yardstick needs some too.
        memory = {
            (size, path): sessions[path].prepare(*size) for size, used in images for path in used
        }
        rows = []
        for size, used in images:
            found: dict[pathlib.Path, list[tuple[float, float]]] = {path: [] for path in used}
            for path in used:
                sessions[path].prepare(*size)
            for _ in range(_ROUNDS.value):
                for path, values in found.items():
                    values.append(sessions[path].measure(_SECONDS.value))
            pixels = size[0] * size[1]
            for path, values in found.items():
                rate, seconds = (statistics.median(column) for column in zip(*values))
                rows.append(
                    {
                        "artefact": path.name if path.suffix else path.parent.name,
                        "threads": threads,
                        "size": f"{size[1]}x{size[0]}",
                        "ms": 1e3 * seconds,
                        "ms per MP": 1e9 * seconds / pixels,
                        "share of yardstick": macs * pixels / seconds / rate,
                        "yardstick, GMAC/s": rate / 1e9,
                        "MB": memory[size, path],
                    }
                )
    floats = {row["size"]: row["ms"] for row in rows if row["artefact"].endswith("_float32.tflite")}
    for row in rows:
        if row["size"] in floats:
            row["over TFLite float32"] = row["ms"] / floats[row["size"]]
    return rows


def _run(folder: pathlib.Path) -> None:
    from drgn_tf.inference.loading import load_keras
    from drgn_tf.models import macs_per_pixel

    network = load_keras(_MODEL.value)
    width, macs = network.model.options.width, macs_per_pixel(network.model)
    if not _ARTEFACTS.value:
        for _ in artefacts.make(_MODEL.value, folder, calibration_count=8):
            pass
    paths = [network.path, *artefacts.find(folder)]
    report = Report(f"Inference of {_MODEL.value}: {macs:.0f} MAC per pixel")
    for threads in map(int, _THREADS.value):
        used = paths
        if threads != int(_THREADS.value[0]) and not _EVERYTHING.value:
            used = _first_of_each(paths)
        report.table(f"{threads} threads", _measure(used, threads, macs, width))
    if not _EVERYTHING.value:
        report.note(
            f"Left out: all but one artefact of each runtime above 1 MP and with other than "
            f"{_THREADS.value[0]} threads; --everything has them."
        )
    report.save()


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        _run(pathlib.Path(_ARTEFACTS.value or folder))


if __name__ == "__main__":
    run(main)
