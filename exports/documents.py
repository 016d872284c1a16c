"""Writes what explains an export to whoever made it, or gets its folder: reports, card, golden/."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drgn_tf.exports import golden, model_card, reports
from drgn_tf.exports.pipeline import ExportOptions, Outcome, place
from drgn_tf.inference import Driver, load_driver
from drgn_tf.inference.keras_driver import KerasDriver

# Height and width of the photo in golden/ where no file has a fixed size.
_GOLDEN_SIZE = (256, 256)


def write_documents(
    staged: pathlib.Path,
    output_dir: pathlib.Path,
    facts: Mapping[str, Any],
    options: ExportOptions,
    outcomes: Sequence[Outcome],
    reference: KerasDriver,
    photos: Sequence[np.ndarray],
) -> None:
    """Writes README.md, LICENSE, golden/, report.md, report.png and report.json.

    Args:
      staged: from `pipeline.staging`.
      output_dir: of the export.
      facts: see `reports.write_report`.
      options: of the export.
      outcomes: of the artefacts, earlier ones among them (`earlier.with_earlier`).
      reference: the network.
      photos: low-light photos, uint8 [H, W, 3].

    Raises:
      UserError: the disk is full, or does not take the files.
    """
    made = [outcome for outcome in outcomes if outcome.reason is None]
    drivers = {o.path: load_driver(output_dir / o.path, trusted=o.earlier is None) for o in made}
    worst: dict[str, Driver] = {}
    for outcome in sorted(made, key=lambda outcome: outcome.agreement.psnr):
        worst.setdefault(outcome.precision, drivers[outcome.path])
    reports.write_report(output_dir, facts, outcomes, reports.worst_case(reference, worst, photos))
    sizes = (*options.tflite_sizes, *options.onnx_sizes, _GOLDEN_SIZE)
    artefacts = [(o.path, o.precision, drivers[o.path]) for o in made]
    # Neither the darkest nor the brightest, so that little is cut off at 0 or 1.
    photo = sorted(photos, key=np.mean)[len(photos) // 2]
    golden.write_golden(staged / golden.FOLDER, reference, artefacts, photo, sizes[0])
    model_card.write_card(staged, facts, outcomes, reference.model.options)
    for name in (golden.FOLDER, "LICENSE", "README.md"):
        place(staged / name, output_dir / name)
