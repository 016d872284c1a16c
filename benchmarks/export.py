"""Measures how long the export of each kind of artefact takes.

  python -m benchmarks.export
  python -m benchmarks.export --model=base --output_dir=exported

Each is exported once, without the verification and measurement of `export_main.py`. The first
of a kind includes one-time initialisation of its converter. The yardstick is timed before each;
"as GMAC" is what it computes in the same time.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags

from benchmarks import artefacts
from benchmarks.report import Report, run
from benchmarks.timing import seconds
from benchmarks.yardstick import yardstick
from drgn_tf.inference.loading import load_keras

_MODEL = flags.DEFINE_string("model", "mobile", "Trained network, as of export_main.py.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "", "New folder that keeps the artefacts, for other benchmarks."
)
_CALIBRATION_COUNT = flags.DEFINE_integer("calibration_count", 64, "As of export_main.py.", 1)
_SECONDS = flags.DEFINE_float(
    "seconds", 0.3, "Minimum seconds per measurement of the yardstick.", 0.0
)


def _size(path: pathlib.Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _run(folder: pathlib.Path) -> None:
    standard = yardstick("keras", load_keras(_MODEL.value).model.options.width)
    standard.run()
    rates, times = [], {}
    for name, taken in artefacts.make(_MODEL.value, folder, _CALIBRATION_COUNT.value):
        times[name] = taken
        rates.append(standard.rate(seconds(standard.run, _SECONDS.value)))
    rate = statistics.median(rates)
    report = Report(f"Making the artefacts of {_MODEL.value}")
    report.table(
        f"yardstick (TensorFlow) {rate / 1e9:.1f} GMAC/s",
        [
            {
                "artefact": name,
                "s": taken,
                "as GMAC": taken * rate / 1e9,
                "MB": _size(folder / name) / 1e6,
            }
            for name, taken in times.items()
        ],
    )
    report.note(f"All of them: {sum(times.values()):.0f} s.")
    report.save()


def main() -> None:
    """Exports, times and prints."""
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    if _OUTPUT_DIR.value and output_dir.exists():
        raise ValueError(f"{output_dir}: exists; give a new folder as --output_dir.")
    with tempfile.TemporaryDirectory() as folder:
        _run(output_dir if _OUTPUT_DIR.value else pathlib.Path(folder))


if __name__ == "__main__":
    run(main)
