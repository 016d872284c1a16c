"""Measures networks of others beside the shipped ones: time, memory and PSNR in one table.

  python -m benchmarks.peers
  python -m benchmarks.peers --models=mobile,base,peer.json --data_dir=LOL-v1/eval15

Models are as of `drgn-eval --model`: a .json file describes a network of somebody else's
(docs/evaluation.md). Classical methods come last. Each has a process of its own, from a photo in
8 bits to the result in 8 bits; all are measured in turn, round after round.

    ms per MP    of a whole photo, in tiles where the network needs them
    MB           peak memory, less that before the network was opened
    psnr, ssim   as of drgn-eval, brightness automatic
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import flags
from PIL import Image

from benchmarks.photos import dark_photo, darkened, size_of
from benchmarks.report import Report, run
from benchmarks.session import opened
from benchmarks.timing import seconds
from drgn_tf.data import sample
from drgn_tf.data.pairs import find_pairs
from drgn_tf.evaluation import image_quality
from drgn_tf.evaluation.baselines import BASELINES, chosen
from drgn_tf.evaluation.methods import Method, check_names, of_network
from drgn_tf.exports.measurement import forget_peak, peak_memory
from drgn_tf.images.photos import read_photo
from drgn_tf.inference import load_driver

_MODELS = flags.DEFINE_list("models", ["mobile", "base"], "Networks, as of drgn-eval --model.")
_BASELINES = flags.DEFINE_list("baselines", list(BASELINES), "Classical methods; '' for none.")
_MEGAPIXELS = flags.DEFINE_list("megapixels", ["1", "4"], "Sizes of the photos.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "", "Pairs in low/ and high/. Default: two free photos, darkened without noise."
)
_THREADS = flags.DEFINE_integer("threads", 2, "Number of compute threads.", 1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Number of measurements; medians are printed.", 1)
_SECONDS = flags.DEFINE_float("seconds", 0.3, "Minimum seconds per measurement.", 0.0)

_QUALITY = ("psnr", "ssim")


class MethodSession:
    """Runs one method in a process of its own.

    Args:
      name: of a baseline, or a model as of `load_driver`.
      threads: number of compute threads.
    """

    def __init__(self, name: str, threads: int):
        import cv2

        cv2.setNumThreads(threads)
        # For networks that need TensorFlow.
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        forget_peak()
        self._before = peak_memory()
        self._method = _method(name, threads)
        self._photo = np.zeros((1, 1, 3), np.uint8)

    def prepare(self, height: int, width: int) -> float:
        """Enhances a photo twice, to warm up.

        Returns:
          The peak memory so far, less that before the method was opened, in MB; hence sizes should
          increase.
        """
        self._photo = dark_photo(height, width)
        for _ in range(2):
            self._method.enhance(self._photo)
        return peak_memory() - self._before

    def measure(self, least: float) -> float:
        """Returns the seconds per photo; see `seconds`."""
        return seconds(lambda: self._method.enhance(self._photo), least)


def _method(name: str, threads: int) -> Method:
    if name in BASELINES:
        return BASELINES[name]
    driver = load_driver(name, threads)
    return of_network(driver, driver.name)


def _sample_pairs(folder: pathlib.Path) -> str:
    """Writes the held-out free photos and darkened copies; returns the folder."""
    for name, make in (("low", darkened), ("high", np.asarray)):
        (folder / name).mkdir()
        for path in sample.held_out_photos():
            Image.fromarray(make(read_photo(path))).save(folder / name / f"{path.stem}.png")
    return str(folder)


def _quality(methods: list[Method], data_dir: str) -> dict[str, dict[str, float]]:
    pairs = find_pairs(data_dir)
    measured = image_quality.evaluate_pairs(methods, pairs, names=_QUALITY)
    return image_quality.mean_metrics(list(measured))


def main() -> None:
    """Measures and prints."""
    chosen(_BASELINES.value)
    names = [*_MODELS.value, *_BASELINES.value]
    methods = {name: _method(name, _THREADS.value) for name in names}
    check_names(methods.values())
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        quality = _quality([*methods.values()], _DATA_DIR.value or _sample_pairs(folder))
    report = Report("Networks of others, ours, and classical methods")
    with contextlib.ExitStack() as stack:
        sessions = {
            name: stack.enter_context(opened(MethodSession, name, _THREADS.value)) for name in names
        }
        for megapixels in sorted(map(float, _MEGAPIXELS.value)):
            height, width = size_of(megapixels)
            memory = {name: session.prepare(height, width) for name, session in sessions.items()}
            rounds = [
                {name: session.measure(_SECONDS.value) for name, session in sessions.items()}
                for _ in range(_ROUNDS.value)
            ]
            rows = []
            for name, method in methods.items():
                taken = statistics.median(times[name] for times in rounds)
                rows.append(
                    {
                        "method": method.name,
                        "ms per MP": 1e9 * taken / (height * width),
                        "MB": memory[name],
                        **quality[method.name],
                    }
                )
            report.table(f"{width}x{height}, {_THREADS.value} threads", rows)
    report.save()


if __name__ == "__main__":
    run(main)
