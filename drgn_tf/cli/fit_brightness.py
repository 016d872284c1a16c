"""Fits the brightness that a trained network proposes, and nothing else of it.

  drgn-fit-brightness --model=runs/lol/best.keras --output=fitted.keras --data_dir=LOL-v1 \
      --train_pairs=our485 --extra_data=pairs:series:0.5,normal:normal:0.2

The photos are given as to drgn-train. The error on those that are held out is printed before and
afterwards; docs/training.md explains the rest.
"""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from drgn_tf.brightness import LUMA, stops_between
from drgn_tf.cli import program
from drgn_tf.errors import UserError, user_errors
from drgn_tf.files import atomic_path

if TYPE_CHECKING:
    from drgn_tf.data import PairedPhotos, RunData
    from drgn_tf.models import DRGN

FLAG_MODULES = ("drgn_tf.flags.data_flags", "drgn_tf.flags.fit_flags")


def _errors(model: DRGN, pairs: PairedPhotos) -> list[float]:
    """Returns by how many stops each prediction is above the brightness of the reference."""
    errors = []
    for _, low, high in pairs:
        thumbnails = model.thumbnail(low[np.newaxis])
        predicted = float(model.predicted_brightness(low[np.newaxis], thumbnails)[0, 0])
        errors.append(stops_between(float(high.mean((0, 1)) @ LUMA), predicted))
    return errors


def _table(model: DRGN, data: RunData) -> list[str]:
    """Returns the mean absolute error, and the mean error, of each set, a line each."""
    lines = []
    for name, pairs in {"validation": data.validation, **data.extra_validation}.items():
        errors = np.asarray(_errors(model, pairs))
        lines.append(f"{name:<24}{np.abs(errors).mean():>8.3f}{errors.mean():>+8.3f}")
    return lines


def main(_: list[str]) -> None:
    """Fits what the flags describe."""
    from drgn_tf.data import load_run_data
    from drgn_tf.flags import data_flags, fit_flags
    from drgn_tf.models import load_model
    from drgn_tf.training.tensorflow.brightness_fit import fit_brightness

    with user_errors():
        options = fit_flags.fit_options()
    output = pathlib.Path(fit_flags.output())
    if output.suffix != ".keras":
        raise UserError(f"--output={output} must end with .keras.")
    if os.path.lexists(output):
        raise UserError(f"{output}: exists; choose another --output, or remove it.")
    # Before the fit, which takes minutes.
    if not os.access(output.parent, os.W_OK):
        raise UserError(f"{output.parent}: cannot be written to; choose another --output.")
    model = load_model(pathlib.Path(fit_flags.model()))
    data = load_run_data(
        data_flags.data_options(), data_flags.photometric_options(), model.thumbnail
    )
    print(f"photos: {data.summary}")
    if model.brightness_predictor is None:
        raise UserError(f"{fit_flags.model()}: was made without brightness and predicts none.")
    before = _table(model, data)
    fit_brightness(model, data.training, data_flags.photometric_options(), options)
    print(f"{'error in EV':<24}{'mean':>8}{'bias':>8}")
    for title, lines in (("before", before), ("fitted", _table(model, data))):
        print("\n".join(f"{title} {line}" for line in lines))
    with atomic_path(output) as partial:
        model.save(partial)
    print(f"weights: {output}")


def run() -> NoReturn:
    """Is the command drgn-fit-brightness."""
    program.run(
        main, flag_modules=FLAG_MODULES, extra="train", interrupted="interrupted; nothing saved."
    )


if __name__ == "__main__":
    run()
