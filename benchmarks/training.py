"""How fast training consumes samples, and how fast the input pipeline makes them.

  python -m benchmarks.training --data_dir=sample --preset=mobile

Both are timed in turn, several times, and printed as medians and their ratio; the
machine is the yardstick, in multiply-accumulates of one 3x3 convolution of the
network's width. --json writes the table.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import app, flags

from drgn_tf import data, training
from drgn_tf.losses import LossOptions, structural_dissimilarity
from drgn_tf.metrics import ssim
from drgn_tf.models import macs_per_pixel, preset
from drgn_tf.models.context import thumbnail
from drgn_tf.training.trainer import Trainer

_DATA_DIR = flags.DEFINE_string("data_dir", "sample", "See train_main.py.")
_TRAIN_PAIRS = flags.DEFINE_string("train_pairs", "", "See train_main.py.")
_PRESET = flags.DEFINE_string("preset", "mobile", "See train_main.py.")
_CROP_SIZE = flags.DEFINE_integer("crop_size", 96, "Side of the crops in pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Samples a step.")
_STEPS = flags.DEFINE_integer("bench_steps", 10, "Steps a measurement.")
_INPUT_BATCHES = flags.DEFINE_integer("input_batches", 120, "Batches an input measurement.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each; the median is printed.")
_JSON = flags.DEFINE_string("json", "", "File for the table; '' for none.")


def _seconds(run: Callable[[], object], times: int) -> float:
    """Returns the seconds of one call, averaged over `times` calls."""
    begin = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - begin) / times


def _options(losses: LossOptions) -> training.RunOptions:
    return training.RunOptions(
        model=preset(_PRESET.value),
        loss=losses,
        data=data.DataOptions(_DATA_DIR.value, train_pairs=_TRAIN_PAIRS.value),
        photometric=data.PhotometricOptions(),
        training=training.TrainingOptions(crop_size=_CROP_SIZE.value, batch_size=_BATCH_SIZE.value),
    )


def _batches(photos: data.RunData, references: bool, count: int) -> tf.data.Dataset:
    samples = data.SampleOptions(_CROP_SIZE.value, _BATCH_SIZE.value, seed=1, references=references)
    return data.training_dataset(photos.training, samples, 0, count)


def _input_seconds(photos: data.RunData, references: bool) -> float:
    """Returns the seconds a batch of a pipeline that is made, drained and gone.

    One that stays would fill its buffers while something else is timed, and then be
    found to take no time at all.
    """
    times = []
    begin = time.perf_counter()
    for _ in _batches(photos, references, _INPUT_BATCHES.value):
        times.append(time.perf_counter() - begin)
    # The first batches also pay for the start and for tuning.
    skipped = len(times) // 4
    return (times[-1] - times[skipped]) / (len(times) - 1 - skipped)


def _train_step(losses: LossOptions, batch: dict) -> tuple[Callable[[], object], float]:
    """Returns a call that trains one step on the same batch, and its network's MAC a pixel."""
    trainer = Trainer(tf.distribute.get_strategy(), _options(losses))
    step = losses.synthetic_start
    trainer.step.assign(step)
    return (
        lambda: float(trainer.train_step(batch, step, stop=False)["loss"]),
        macs_per_pixel(trainer.model),
    )


def _convolution(width: int) -> tuple[Callable[[], object], int]:
    """Returns a call of one large 3x3 convolution and its multiply-accumulates."""
    x = tf.random.uniform((4, 128, 128, width))
    kernel = tf.random.uniform((3, 3, width, width))
    run = tf.function(lambda: tf.nn.conv2d(x, kernel, 1, "SAME"))
    return lambda: run().numpy(), 4 * 128 * 128 * 9 * width**2


def _dissimilarity(function: Callable) -> Callable[[], object]:
    """Returns a call of an SSIM loss with its gradient, on one batch."""
    x, y = (tf.random.uniform((8, 96, 96, 3)) for _ in range(2))

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = function(x, y)
        return tape.gradient(loss, x)

    return lambda: run().numpy()


def main(_) -> None:
    """Measures and prints."""
    plain, whole = LossOptions(synthetic_weight=0.0), LossOptions()
    options = _options(plain)
    photos = data.load_run_data(
        options.data,
        options.photometric,
        functools.partial(thumbnail, size=options.model.thumbnail_size),
    )
    batch = next(iter(_batches(photos, references=True, count=1)))
    plain_step, macs = _train_step(plain, batch)
    whole_step, _ = _train_step(whole, batch)
    convolution, convolution_macs = _convolution(options.model.width)
    calls = {
        "convolution": convolution,
        "step, plain": plain_step,
        "step, whole method": whole_step,
        "SSIM loss, banded": _dissimilarity(structural_dissimilarity),
        "SSIM loss, depthwise": _dissimilarity(lambda x, y: 1.0 - tf.reduce_mean(ssim(x, y))),
    }
    for call in calls.values():
        _seconds(call, 3)
    inputs = {"input, plain": False, "input, whole method": True}
    times: dict[str, list[float]] = {name: [] for name in [*calls, *inputs]}
    for _ in range(_ROUNDS.value):
        for name, references in inputs.items():
            times[name].append(_input_seconds(photos, references))
        for name, call in calls.items():
            times[name].append(_seconds(call, _STEPS.value))
    median = {name: statistics.median(values) for name, values in times.items()}

    pixels = _BATCH_SIZE.value * _CROP_SIZE.value**2
    yardstick = convolution_macs / median["convolution"]
    table = {
        "preset": _PRESET.value,
        "crop_size": _CROP_SIZE.value,
        "batch_size": _BATCH_SIZE.value,
        "milliseconds": {name: 1e3 * value for name, value in median.items()},
        "images per second, input": _BATCH_SIZE.value / median["input, plain"],
        "images per second, step": _BATCH_SIZE.value / median["step, plain"],
        "input over training, plain": median["step, plain"] / median["input, plain"],
        "input over training, whole method": (
            median["step, whole method"] / median["input, whole method"]
        ),
        "whole method over plain step": median["step, whole method"] / median["step, plain"],
        # Forward and backward: three times the forward pass.
        "plain step over yardstick": 3 * macs * pixels / median["step, plain"] / yardstick,
        "yardstick, GMAC/s": yardstick / 1e9,
        "depthwise over banded SSIM": median["SSIM loss, depthwise"] / median["SSIM loss, banded"],
    }
    for name, value in table.items():
        if isinstance(value, dict):
            for row, milliseconds in value.items():
                print(f"{row:36}{milliseconds:10.1f} ms")
        else:
            print(f"{name:36}{value if isinstance(value, (str, int)) else f'{value:10.2f}'}")
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
