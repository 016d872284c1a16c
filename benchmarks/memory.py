"""Measures the memory of training by preset, batch and crop.

  python -m benchmarks.memory
  python -m benchmarks.memory --presets=base --shapes=8x96,32x96,8x256 --everything

Each row is a separate process that makes a few steps on one batch. The table compares the memory
added by networks, graphs and steps with the estimate of `drgn_tf.training.memory`, by which runs
are refused. The peak is that of the whole process, interpreter and TensorFlow included, but without
the photos of a run. The batches are noise, because memory does not depend on their content.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import flags

from benchmarks import steps
from benchmarks.report import Report, run
from drgn_tf.data.sampling import NORMAL_KEYS, PAIR_KEYS
from drgn_tf.exports.measurement import forget_peak, peak_memory
from drgn_tf.models import preset
from drgn_tf.training import TrainingOptions, memory

_PRESETS = flags.DEFINE_list("presets", ["mobile", "base"], "See drgn-train.")
_SHAPES = flags.DEFINE_list(
    "shapes", ["8x96", "32x96"], "BATCHxCROP: samples a step, side of the crops in pixels."
)
_EVERYTHING = flags.DEFINE_boolean(
    "everything", False, "Also measure the whole method at all shapes, not only at the first."
)
_STEPS = flags.DEFINE_integer("steps", 3, "Steps per measurement.", 1)


def _megabytes(
    name: str, method: str, batch_size: int, crop_size: int, count: int
) -> tuple[float, float]:
    """Returns the memory of this process before building, and its peak, in MB."""
    forget_peak()
    before = peak_memory()
    trainer = steps.trainer(name, method, crop_size, batch_size)
    side = preset(name).thumbnail_size
    shapes = {
        name: (side if "thumbnail" in name else crop_size,) * 2 + (3,)
        for name in (*PAIR_KEYS, *NORMAL_KEYS)
        if "brightness" not in name
    }
    shapes |= {"brightness": (), "normal_brightness": ()}
    batches = steps.repeated(
        {name: tf.random.uniform((batch_size, *shape)) for name, shape in shapes.items()}
    )
    for _ in range(count):
        steps.run(trainer, batches)
    return before, peak_memory()


def _estimated(name: str, method: str, batch_size: int, crop_size: int) -> float:
    options = TrainingOptions(batch_size=batch_size, crop_size=crop_size)
    return memory.estimate(preset(name), steps.METHODS[method], options) / 1e6


def _shapes() -> list[tuple[int, int]]:
    shapes = []
    for shape in _SHAPES.value:
        match = re.fullmatch(r"(\d+)x(\d+)", shape)
        if not match:
            raise ValueError(f"--shapes: '{shape}' is not a shape; give BATCHxCROP, such as 8x96.")
        shapes.append((int(match[1]), int(match[2])))
    return shapes


def main() -> None:
    """Measures and prints."""
    shapes = _shapes()
    rows = []
    for name in _PRESETS.value:
        for method in ("plain", "whole"):
            every = method == "plain" or _EVERYTHING.value
            for batch_size, crop_size in shapes if every else shapes[:1]:
                context = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(1, mp_context=context) as process:
                    asked = (name, method, batch_size, crop_size, _STEPS.value)
                    before, peak = process.submit(_megabytes, *asked).result()
                estimated = _estimated(name, method, batch_size, crop_size)
                rows.append(
                    {
                        "preset": name,
                        "method": method,
                        "batch": batch_size,
                        "crop": crop_size,
                        "peak MB": peak,
                        "added MB": peak - before,
                        "estimated MB": estimated,
                        "estimated over added": estimated / (peak - before),
                    }
                )
    report = Report("Memory of training")
    report.table("processes as a whole, without the photos", rows)
    if not _EVERYTHING.value:
        report.note("Left out: the whole method at all shapes but the first; --everything has it.")
    report.save()


if __name__ == "__main__":
    run(main)
