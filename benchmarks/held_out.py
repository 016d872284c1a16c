"""Measures a network on the photos that a training run holds out.

  python -m benchmarks.held_out --model=drgn_tf/weights/mobile.keras --data_dir=LOL-v1 \
      --train_pairs=our485 --val_list=flags/lol_v1_validation.txt \
      --extra_data=pairs:multi_exposure:0.2,normal:normal:0.25

The flags of the photos are those of `drgn-train`; the validation is the run's own: whole photos,
8-bit results, not scaled to the reference. It serves networks of other runs, and of earlier
versions.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks.report import Report, run
from drgn_tf.data.loading import load_run_data
from drgn_tf.flags import data_flags
from drgn_tf.models import load_model
from drgn_tf.training.validation import SET_FIELDS, Validator

_MODEL = flags.DEFINE_string("model", None, "A .keras file.", required=True)


def _measure() -> None:
    model = load_model(pathlib.Path(_MODEL.value))
    told = model.options.brightness

    @tf.function(reduce_retracing=True)
    def images(low: tf.Tensor, brightness: tf.Tensor) -> dict[str, tf.Tensor]:
        return model(low, brightness=brightness if told else None)

    def run_network(low: np.ndarray, brightness: np.ndarray) -> dict[str, Any]:
        return {name: value.numpy() for name, value in images(low, brightness).items()}

    data = load_run_data(
        data_flags.data_options(), data_flags.photometric_options(), model.thumbnail
    )
    measured = Validator(run_network, told)(data.validation, 0, data.extra_validation)
    report = Report(f"{_MODEL.value} on held-out photos")
    of_all = measured.to_dict()
    sets = {"validation pairs": {name: of_all[name] for name in SET_FIELDS}, **measured.sets}
    report.table("Means over photos", [{"photos": name, **of} for name, of in sets.items()])
    report.note(f"Mean of the base over that of the enhanced: {measured.base_to_enhanced:.3f}.")
    report.save()


if __name__ == "__main__":
    run(_measure)
