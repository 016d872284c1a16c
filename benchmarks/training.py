"""Measures training steps relative to the machine's yardstick, and breaks down their time.

  python -m benchmarks.training
  python -m benchmarks.training --presets=base --variants=plain,plain_xla --crop_size=128

Everything is measured in turn, round after round; the yardstick (`benchmarks.yardstick`) is
TensorFlow's at each network's width. The MAC of a step count as three forward passes: one
forward, two backward. The losses are not counted, which lowers the share of the yardstick.

The parts of a plain step are differences between separate functions, each of which extends the
one before. The operators are from TensorFlow's profiler.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import flags

from benchmarks import photos, steps
from benchmarks.operators import operator_seconds
from benchmarks.report import Report, run
from benchmarks.timing import alternate
from benchmarks.yardstick import yardstick
from drgn_tf.data import SampleOptions, TrainingData
from drgn_tf.losses import objective, ssim_loss
from drgn_tf.metrics import ssim
from drgn_tf.models import preset
from drgn_tf.models.context import thumbnail
from drgn_tf.training.tensorflow.trainer import TensorFlowTrainer

_STEPS_PER_CALL = 8
# Method, steps per call, and changed training options.
_VARIANTS = {
    "plain": ("plain", 1, {}),
    "plain_steps": ("plain", _STEPS_PER_CALL, {}),
    "plain_accumulate": ("plain", 1, {"gradient_accumulation_steps": 2}),
    "plain_xla": ("plain", 1, {"xla": True}),
    "plain_bfloat16": ("plain", 1, {"precision": "mixed_bfloat16"}),
    "plain_float16": ("plain", 1, {"precision": "mixed_float16"}),
    "whole": ("whole", 1, {}),
    "whole_steps": ("whole", _STEPS_PER_CALL, {}),
    "whole_xla": ("whole", 1, {"xla": True}),
    "whole_narrow": ("whole_narrow", 1, {}),
}
# Number of printed operators.
_LONGEST = 12

_PRESETS = flags.DEFINE_list("presets", ["mobile", "base"], "See drgn-train.")
_CHOSEN = flags.DEFINE_list(
    "variants",
    ["plain", "plain_bfloat16", "whole", "whole_narrow"],
    f"Of {', '.join(_VARIANTS)}. _steps: {_STEPS_PER_CALL} steps per call; _accumulate: two "
    "micro-batches; _narrow: --discriminator_width=16.",
)
_CROP_SIZE = flags.DEFINE_integer("crop_size", 96, "Side of the crops in pixels.", 16)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Samples per step.", 1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Number of measurements; medians are printed.", 1)
_SECONDS = flags.DEFINE_float("seconds", 0.5, "Minimum seconds per measurement.", 0.0)


def _parts(trainer: TensorFlowTrainer, batch: dict) -> dict[str, Callable[[], object]]:
    """Returns calls that do more and more of a plain step."""

    def loss():
        return objective(trainer.model, {}, batch, steps.METHODS["plain"])[0]

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, [v.value for v in trainer.model.trainable_variables])

    forward = tf.function(loss)
    return {"forward": lambda: forward().numpy(), "gradients": lambda: gradients()[0].numpy()}


def _measure_preset(name: str, data: TrainingData, batch: dict, report: Report) -> None:
    crop_size, batch_size = _CROP_SIZE.value, _BATCH_SIZE.value
    standard = yardstick("keras", preset(name).width)
    calls: dict[str, Callable[[], object]] = {"yardstick": standard.run}
    trainers: dict[str, TensorFlowTrainer] = {}
    for variant in _CHOSEN.value:
        method, count, changes = _VARIANTS[variant]
        trainers[variant] = steps.trainer(name, method, crop_size, batch_size, count, **changes)
        step = functools.partial(steps.run, trainers[variant])
        calls[variant] = functools.partial(step, steps.repeated(batch), count)
        if variant == "plain":
            samples = SampleOptions(crop_size, batch_size, 1)
            calls |= _parts(trainers[variant], batch)
            calls["own input"] = functools.partial(step, steps.drawn(data, samples))
    seconds = alternate(calls, _ROUNDS.value, _SECONDS.value)
    rate = standard.rate(seconds["yardstick"])

    pixels = batch_size * crop_size**2
    rows = []
    for variant in _CHOSEN.value:
        method, count, _ = _VARIANTS[variant]
        taken = seconds[variant] / count
        macs = steps.forward_macs(trainers[variant], method, crop_size)
        rows.append(
            {
                "step": variant,
                "ms": 1e3 * taken,
                "images/s": batch_size / taken,
                "MAC per pixel, forward": macs,
                "share of yardstick": 3 * macs * pixels / taken / rate,
            }
        )
    report.table(f"{name}: steps; yardstick {rate / 1e9:.1f} GMAC/s", rows)
    if "plain" not in calls:
        return
    ends = [0.0, *(seconds[call] for call in ("forward", "gradients", "plain", "own input"))]
    names = ("forward pass and losses", "backward pass",
             "clipping, optimizer, averages, metrics", "waiting for the input")  # fmt: skip
    report.table(
        f"{name}: parts of a plain step",
        [
            {
                "part": part,
                "ms": 1e3 * (end - begin),
                "of the step": (end - begin) / seconds["plain"],
            }
            for part, begin, end in zip(names, ends, ends[1:])
        ],
    )
    found = operator_seconds(calls["plain"], 3)
    total = sum(found.values())
    report.table(
        f"{name}: operators of a plain step",
        [
            {"operator": operator, "ms": 1e3 * taken, "of all operators": taken / total}
            for operator, taken in [*found.items()][:_LONGEST]
        ],
    )


def _measure_dissimilarity(report: Report) -> None:
    """Prints the cost of the SSIM loss compared with the usual implementation."""
    x, y = (tf.random.uniform((_BATCH_SIZE.value, *2 * [_CROP_SIZE.value], 3)) for _ in range(2))

    def with_gradient(loss: Callable) -> Callable[[], object]:
        @tf.function
        def differentiated():
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(x, y)
            return tape.gradient(value, x)

        return lambda: differentiated().numpy()

    seconds = alternate(
        {
            "banded (used)": with_gradient(ssim_loss),
            "depthwise": with_gradient(lambda x, y: 1.0 - tf.reduce_mean(ssim(x, y))),
        },
        _ROUNDS.value,
        _SECONDS.value,
    )
    report.table(
        "SSIM loss with its gradient",
        [
            {"windows": name, "ms": 1e3 * taken, "over banded": taken / seconds["banded (used)"]}
            for name, taken in seconds.items()
        ],
    )


def main() -> None:
    """Measures and prints."""
    unknown = [name for name in _CHOSEN.value if name not in _VARIANTS]
    if unknown:
        raise ValueError(f"--variants: unknown '{unknown[0]}'; choose of {', '.join(_VARIANTS)}.")
    crop_size, batch_size = _CROP_SIZE.value, _BATCH_SIZE.value
    report = Report(f"Training, batch of {batch_size}, crops of {crop_size} pixels")
    for name in _PRESETS.value:
        view = functools.partial(thumbnail, size=preset(name).thumbnail_size)
        data = photos.training_data(view)
        samples = SampleOptions(crop_size, batch_size, 1, normal=True)
        batch = next(steps.drawn(data, samples, 1))
        _measure_preset(name, data, batch, report)
    _measure_dissimilarity(report)
    left_out = [name for name in _VARIANTS if name not in _CHOSEN.value]
    if left_out:
        report.note(f"Left out: {', '.join(left_out)}; --variants has them.")
    report.save()


if __name__ == "__main__":
    run(main)
