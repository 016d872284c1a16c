"""Measures start-up: import, load, first and second photo.

  python -m benchmarks.startup
  python -m benchmarks.startup --model=base --artefacts=exported

Every start is a new process, in turn with the others and with the yardstick. The last rows are
`enhance_main.py`, from the command line to the end of the process. "as GMAC" is what the
yardstick computes in the time of the whole process. Files are in the system's cache, so disk
access is excluded.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import flags
from PIL import Image

from benchmarks import artefacts
from benchmarks.photos import dark_photo, size_of
from benchmarks.report import Report, run
from benchmarks.timing import seconds
from benchmarks.yardstick import yardstick
from drgn_tf.inference.loading import load_keras

_MODEL = flags.DEFINE_string("model", "mobile", "Trained network, as of export_main.py.")
_ARTEFACTS = flags.DEFINE_string(
    "artefacts", "", "Folder of export_main.py with artefacts of --model. Default: makes them."
)
_MEGAPIXELS = flags.DEFINE_float("megapixels", 0.25, "Size of the photo.", 0.0)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Number of starts; medians are printed.", 1)
_SECONDS = flags.DEFINE_float(
    "seconds", 0.3, "Minimum seconds per measurement of the yardstick.", 0.0
)
_ROOT = pathlib.Path(__file__).parents[1]


def _started(command: list[str]) -> tuple[float, str]:
    """Returns the seconds of a whole process, and its output."""
    begin = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *command], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - begin, process.stdout


def _first_photo(model: pathlib.Path, photo: pathlib.Path) -> dict[str, float]:
    whole, output = _started(["-m", "benchmarks.first_photo", str(model), str(photo)])
    return {**json.loads(output.splitlines()[-1]), "whole process": whole}


def _enhance_main(model: pathlib.Path, photo: pathlib.Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["enhance_main.py", f"--model={model}", f"--output_dir={folder}", str(photo)]
        return {"whole process": _started(command)[0]}


def _one_of_each(folder: pathlib.Path, network: pathlib.Path) -> list[pathlib.Path]:
    paths = artefacts.find(folder)
    first = {path.suffix: path.resolve() for path in reversed(paths)}
    return [network, *(first[suffix] for suffix in sorted(first))]


def _run(folder: pathlib.Path, scratch: pathlib.Path) -> None:
    network = load_keras(_MODEL.value)
    standard = yardstick("keras", network.model.options.width)
    standard.run()
    if not _ARTEFACTS.value:
        for _ in artefacts.make(_MODEL.value, folder, calibration_count=1):
            pass
    photo = dark_photo(*size_of(_MEGAPIXELS.value))
    np.save(scratch / "photo.npy", photo)
    Image.fromarray(photo).save(scratch / "photo.jpg", quality=95)
    starts = {}
    for path in _one_of_each(folder, network.path.resolve()):
        name = path.name if path.suffix else path.parent.name
        starts[f"drgn_tf.load, {name}"] = (_first_photo, path, scratch / "photo.npy")
        if path.suffix in (".keras", ".tflite"):
            starts[f"enhance_main.py, {name}"] = (_enhance_main, path, scratch / "photo.jpg")
    rates, found = [], {name: [] for name in starts}
    for _ in range(_ROUNDS.value):
        rates.append(standard.rate(seconds(standard.run, _SECONDS.value)))
        for name, (start, *arguments) in starts.items():
            found[name].append(start(*arguments))
    rate = statistics.median(rates)
    rows = []
    for name, values in sorted(found.items()):
        median = {stage: statistics.median(v[stage] for v in values) for stage in values[0]}
        in_all = median["whole process"]
        rows.append({"start": name, **median, "as GMAC": in_all * rate / 1e9})
    report = Report(f"Start-up with {_MODEL.value}, photo of {photo.shape[1]}x{photo.shape[0]}")
    report.table(f"seconds; yardstick (TensorFlow) {rate / 1e9:.1f} GMAC/s", rows)
    report.save()


def main() -> None:
    """Starts, times and prints."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(_ARTEFACTS.value or f"{scratch}/artefacts")
        _run(folder, pathlib.Path(scratch))


if __name__ == "__main__":
    run(main)
