"""Exports a trained network as SavedModel, TFLite and ONNX, and verifies each artefact.

  drgn-export --model=mobile --output_dir=exported
  drgn-export --model=runs/mine/best.keras --output_dir=exported --formats=tflite

An artefact outside its tolerance is discarded and reported. report.md describes the others.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Any, NoReturn

import tqdm

from drgn_tf.cli import program

# Named, and imported late: they need the extra.
FLAG_MODULES = ("drgn_tf.flags.export_flags",)
_COMPARED = 12
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")


def main(argv: list[str]) -> int:
    """Runs the export of the flags; returns 1 if an artefact failed."""
    # Imported here, because they need the extra.
    from drgn_tf.data.pairs import find_pairs
    from drgn_tf.exports import pipeline, reports
    from drgn_tf.exports.calibration import load_calibration_photos
    from drgn_tf.files import sha256
    from drgn_tf.flags import export_flags
    from drgn_tf.inference import Enhancer, load_driver
    from drgn_tf.inference.loading import load_keras
    from drgn_tf.models import macs_per_pixel

    options, output_dir = export_flags.export_options(), export_flags.output_dir()
    reference = load_keras(export_flags.model())
    pairs_dir = export_flags.eval_data_dir()
    pairs = find_pairs(pairs_dir) if pairs_dir else []
    photos = load_calibration_photos(export_flags.calibration_dir())
    artefacts = pipeline.plan(reference.model, options, photos)
    pipeline.check_targets(artefacts, output_dir, options.overwrite)
    outcomes = []
    # All photos calibrate; a dozen of them, evenly spread, are compared, and one is shown.
    compared = photos[:: -(-len(photos) // _COMPARED)]
    shown, pictures = photos[0], {"untouched": photos[0]}
    pictures["Keras"] = Enhancer(reference)(shown)
    progress = tqdm.tqdm(artefacts, leave=False, unit="artefact", disable=None)
    with pipeline.staging(output_dir) as folder, progress:
        for artefact in progress:
            progress.set_postfix_str(artefact.path.name)
            outcome = pipeline.export(
                artefact, folder, output_dir, reference, compared, pairs, options.threads
            )
            outcomes.append(outcome)
            if outcome.reason:
                progress.write(program.error_line(outcome.reason), file=sys.stderr)
            else:
                driver = load_driver(output_dir / artefact.path, options.threads, trusted=True)
                pictures[str(artefact.path)] = Enhancer(driver)(shown)
    confirmed = pipeline.confirmed(outcomes, output_dir)
    for before, outcome in zip(outcomes, confirmed):
        if before is not outcome:
            print(program.error_line(outcome.reason), file=sys.stderr)
    outcomes = confirmed
    quality: dict[str, Any] | None = pipeline.quality(reference, pairs) if pairs else None
    if quality is not None and pairs_dir is not None:
        quality |= {"photos": len(pairs), "folder": pairs_dir.name}
    facts = {
        "name": options.name,
        "model": reference.path.name,
        "sha256": sha256(reference.path),
        "parameters": reference.model.count_params(),
        "macs_per_pixel": round(macs_per_pixel(reference.model)),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "calibration": f"{options.calibration_count} crops of {len(photos)} photos of "
        f"{export_flags.calibration_dir() or 'the sample set, undarkened and darkened'}",
        "quality": quality,
    }
    reports.write_report(output_dir, facts, outcomes, pictures)
    print(reports.table(outcomes))
    failed = sum(outcome.reason is not None for outcome in outcomes)
    print(
        f"\n{len(outcomes) - failed} artefacts are in {output_dir}; see {output_dir / 'report.md'}"
    )
    return 1 if failed else 0


def run() -> NoReturn:
    """The command drgn-export."""
    program.run(
        main,
        flag_modules=FLAG_MODULES,
        extra="export",
        interrupted="interrupted; finished artefacts stay.",
    )


if __name__ == "__main__":
    run()
