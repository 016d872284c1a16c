"""Measures photos of any size: time per megapixel, and memory.

  python -m benchmarks.photo_sizes --model=mobile
  python -m benchmarks.photo_sizes --model=base --megapixels=0.25,1,4,12

Each size runs in its own process, as for a user: a JPEG is read, enhanced and written. The time
excludes start-up and follows a small photo as warm-up; for a network in TensorFlow the yardstick
(`benchmarks.yardstick`) runs directly after it. The memory is the peak of the whole process:
interpreter, TensorFlow, photo and result.
"""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags
from PIL import Image

from benchmarks.photos import dark_photo, size_of
from benchmarks.report import Report, run
from benchmarks.timing import seconds
from benchmarks.yardstick import yardstick
from drgn_tf import weights
from drgn_tf.exports.measurement import peak_memory

_MODEL = flags.DEFINE_string("model", "mobile", "As of enhance_main.py.")
_MEGAPIXELS = flags.DEFINE_list("megapixels", ["0.25", "1", "4", "12", "48"], "Sizes to measure.")
_SECONDS = flags.DEFINE_float(
    "seconds", 0.3, "Minimum seconds per measurement of the yardstick.", 0.0
)


def _enhance(model: str, folder: str, least: float) -> dict[str, float]:
    """Measures photo.jpg of a folder in this process, after small.jpg."""
    from drgn_tf.inference import Enhancer, load_driver
    from drgn_tf.inference.batch import Job, enhance_photo
    from drgn_tf.inference.loading import load_keras
    from drgn_tf.models import macs_per_pixel

    enhancer = Enhancer(load_driver(model))
    taken = 0.0
    for name in ("small", "photo"):
        job = Job(pathlib.Path(folder, f"{name}.jpg"), pathlib.Path(folder, f"{name}.out.jpg"))
        begin = time.perf_counter()
        enhance_photo(enhancer, job)
        taken = time.perf_counter() - begin
    measured = {"s": taken, "peak GB": peak_memory() / 1e3}
    if enhancer.driver.kind == "keras" or model in weights.names():
        network = load_keras(model).model
        standard = yardstick("keras", network.options.width)
        standard.run()
        measured["MAC per pixel"] = macs_per_pixel(network)
        measured["yardstick"] = standard.rate(seconds(standard.run, least))
    return measured


def _measure(megapixels: float) -> dict:
    height, width = size_of(megapixels)
    with tempfile.TemporaryDirectory() as folder:
        for name, size in (("small", size_of(0.1)), ("photo", (height, width))):
            path = pathlib.Path(folder, f"{name}.jpg")
            Image.fromarray(dark_photo(*size)).save(path, quality=95)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as process:
            asked = (_MODEL.value, folder, _SECONDS.value)
            measured = process.submit(_enhance, *asked).result()
    pixels = height * width
    row = {
        "MP": megapixels,
        "size": f"{width}x{height}",
        "s": measured["s"],
        "s per MP": 1e6 * measured["s"] / pixels,
        "peak GB": measured["peak GB"],
    }
    if "yardstick" in measured:
        rate = measured["MAC per pixel"] * pixels / measured["s"]
        row["share of yardstick"] = rate / measured["yardstick"]
        row["yardstick, GMAC/s"] = measured["yardstick"] / 1e9
    return row


def main() -> None:
    """Measures and prints."""
    rows = [_measure(megapixels) for megapixels in map(float, _MEGAPIXELS.value)]
    report = Report(f"Photos from JPEG to JPEG, {_MODEL.value}")
    report.table("one process each", rows)
    report.save()


if __name__ == "__main__":
    run(main)
