"""Measures the input pipeline, compared with the samples that training consumes.

  python -m benchmarks.input_pipeline
  python -m benchmarks.input_pipeline --data_dir=LOL-v1 --train_pairs=our485 --presets=mobile,base

Each kind of samples is drained alone, in turn with the training steps that consume it and with
the yardstick, round after round. The cost of a sample is also given in multiply-accumulates that
the yardstick (TensorFlow's, at the first preset's width) computes meanwhile. During a training
step the input has only the remaining cores: `benchmarks.training` measures how long a step waits.
"""

from __future__ import annotations

import functools
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags

from benchmarks import photos, steps
from benchmarks.report import Report, run
from benchmarks.timing import seconds
from benchmarks.yardstick import yardstick
from drgn_tf.data import (
    DataOptions,
    PhotometricOptions,
    SampleOptions,
    TrainingData,
    load_run_data,
)
from drgn_tf.models import preset
from drgn_tf.models.context import thumbnail

_PRESETS = flags.DEFINE_list("presets", ["mobile"], "Presets whose training consumes the samples.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "", "See drgn-train. Default: pairs made of the free photos."
)
_TRAIN_PAIRS = flags.DEFINE_string("train_pairs", "", "See drgn-train.")
_CROP_SIZE = flags.DEFINE_integer("crop_size", 96, "Side of the crops in pixels.", 16)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Samples per step.", 1)
_BATCHES = flags.DEFINE_integer("batches", 64, "Batches per measurement.", 8)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Number of measurements; medians are printed.", 1)
_SECONDS = flags.DEFINE_float("seconds", 1.0, "Minimum seconds of the other measurements.", 0.0)

# Share of darkened photos, whether normal photos are included, and the method that uses them.
_KINDS = {
    "real pairs": (0.0, False, "plain"),
    "darkened photos": (1.0, False, "plain"),
    "real pairs, with normal photos": (0.0, True, "whole_narrow"),
    "darkened photos, with normal photos": (1.0, True, "whole_narrow"),
}


def _data(name: str) -> TrainingData:
    view = functools.partial(thumbnail, size=preset(name).thumbnail_size)
    if not _DATA_DIR.value:
        return photos.training_data(view)
    options = DataOptions(_DATA_DIR.value, train_pairs=_TRAIN_PAIRS.value)
    data = load_run_data(options, PhotometricOptions(), view).training
    if data.pairs is None:
        raise ValueError("--data_dir: holds no pairs to read; give a folder with low/ and high/.")
    return data


def _samples(kind: str) -> SampleOptions:
    fraction, normal, _ = _KINDS[kind]
    return SampleOptions(
        _CROP_SIZE.value,
        _BATCH_SIZE.value,
        seed=1,
        photometric_fraction=fraction,
        normal=normal,
    )


def _drain(data: TrainingData, kind: str) -> float:
    """Returns the seconds per sample of a pipeline that is created, drained and deleted.

    A pipeline that stays would fill its buffers while something else is timed, and then seem to
    take no time.
    """
    times = []
    begin = time.perf_counter()
    for _ in steps.drawn(data, _samples(kind), _BATCHES.value):
        times.append(time.perf_counter() - begin)
    # The first batches include start-up and tuning.
    skipped = len(times) // 4
    return (times[-1] - times[skipped]) / (len(times) - 1 - skipped) / _BATCH_SIZE.value


def main() -> None:
    """Measures and prints."""
    names = _PRESETS.value
    data = _data(names[0])
    standard = yardstick("keras", preset(names[0]).width)
    calls = {}
    for name in names:
        batch = next(steps.drawn(_data(name), _samples("real pairs, with normal photos"), 1))
        for method in ("plain", "whole_narrow"):
            made = steps.trainer(name, method, _CROP_SIZE.value, _BATCH_SIZE.value)
            calls[name, method] = functools.partial(steps.run, made, steps.repeated(batch))
    for call in (standard.run, *calls.values()):
        call()
    found: dict = {key: [] for key in ("yardstick", *_KINDS, *calls)}
    for _ in range(_ROUNDS.value):
        found["yardstick"].append(seconds(standard.run, _SECONDS.value))
        for kind in _KINDS:
            found[kind].append(_drain(data, kind))
        for key, call in calls.items():
            found[key].append(seconds(call, _SECONDS.value) / _BATCH_SIZE.value)
    median = {key: statistics.median(values) for key, values in found.items()}
    rate = standard.rate(median["yardstick"])
    rows = []
    for kind, (_, _, method) in _KINDS.items():
        row = {
            "samples": kind,
            "samples/s": 1.0 / median[kind],
            "us a sample": 1e6 * median[kind],
            "as MMAC": median[kind] * rate / 1e6,
        }
        for name in names:
            row[f"over training, {name}"] = median[name, method] / median[kind]
        rows.append(row)
    report = Report(f"Input pipeline, crops of {_CROP_SIZE.value} pixels, {len(data.pairs)} pairs")
    report.table(f"yardstick {rate / 1e9:.1f} GMAC/s", rows)
    report.save()


if __name__ == "__main__":
    run(main)
