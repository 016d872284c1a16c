"""Exports a trained network as SavedModel, TFLite and ONNX, and verifies each artefact.

  drgn-export --model=mobile --output_dir=exported
  drgn-export --model=runs/mine/best.keras --output_dir=exported --formats=tflite

An artefact outside its tolerance is discarded and reported. README.md explains the folder to
whoever gets it, report.md says in two minutes how the artefacts compare.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Any, NoReturn

import tqdm

from drgn_tf.cli import program
from drgn_tf.cli.quiet import native_messages_hidden

# Named, and imported late: they need the extra.
FLAG_MODULES = ("drgn_tf.flags.export_flags",)
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")


def main(argv: list[str]) -> int:
    """Runs the export of the flags; returns 1 if an artefact failed."""
    # Imported here, because they need the extra.
    from drgn_tf.data.pairs import find_pairs
    from drgn_tf.exports import pipeline, reports
    from drgn_tf.exports.calibration import load_calibration_photos
    from drgn_tf.exports.documents import write_documents
    from drgn_tf.exports.earlier import with_earlier
    from drgn_tf.exports.reference import ReferenceDriver
    from drgn_tf.files import sha256
    from drgn_tf.flags import export_flags
    from drgn_tf.inference.loading import load_keras
    from drgn_tf.models import macs_per_pixel

    options, output_dir = export_flags.export_options(), export_flags.output_dir()
    network = load_keras(export_flags.model())
    reference = ReferenceDriver(network)
    pairs_dir, calibration_dir = export_flags.eval_data_dir(), export_flags.calibration_dir()
    pairs = find_pairs(pairs_dir) if pairs_dir else []
    photos = load_calibration_photos(calibration_dir)
    artefacts = pipeline.plan(reference.model, options, photos)
    pipeline.check_targets(artefacts, output_dir, options.overwrite)
    source = calibration_dir.name if calibration_dir else "the sample set, undarkened and darkened"
    outcomes = []
    # All photos calibrate; some are compared.
    compared = pipeline.compared_photos(photos, options.verify)
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
        confirmed = pipeline.confirmed(outcomes, output_dir)
        for before, outcome in zip(outcomes, confirmed, strict=True):
            if before is not outcome:
                progress.write(program.error_line(outcome.reason or ""), file=sys.stderr)
        outcomes = confirmed
        quality: dict[str, Any] | None = pipeline.quality(network, pairs) if pairs else None
        if quality is not None and pairs_dir is not None:
            quality |= {"photos": len(pairs), "folder": pairs_dir.name}
        facts = {
            "name": options.name,
            "model": reference.path.name,
            "sha256": sha256(reference.path),
            "parameters": reference.model.count_params(),
            "macs_per_pixel": round(macs_per_pixel(reference.model)),
            "versions": {name: metadata.version(name) for name in _PACKAGES},
            "calibration": f"{options.calibration_count} crops of {len(photos)} photos of {source}",
            "verify": options.verify,
            "quality": quality,
        }
        facts, everything = with_earlier(output_dir, facts, outcomes)
        write_documents(folder, output_dir, facts, options, everything, reference, compared)
    print(reports.table(everything))
    made = sum(outcome.reason is None for outcome in everything)
    print(f"\n{made} artefacts are in {output_dir}; begin with its README.md.")
    if facts["others"]:
        print(reports.others(facts).strip())
    return 1 if any(outcome.reason is not None for outcome in outcomes) else 0


def run() -> NoReturn:
    """The command drgn-export."""
    with native_messages_hidden():
        program.run(
            main,
            flag_modules=FLAG_MODULES,
            extra="export",
            interrupted="interrupted; finished artefacts stay.",
        )


if __name__ == "__main__":
    run()
