"""Exports a trained network as SavedModel, TFLite and ONNX, each proven equal to it.

  python export_main.py --model=mobile --output_dir=exported
  python export_main.py --model=runs/mine/best.keras --output_dir=exported --formats=tflite

An artefact that differs from the network is not handed over. report.md says what each
of the others is.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata

# Before TensorFlow is imported: its start-up notes would bury our lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tqdm
from absl import app, logging
from absl import flags as absl_flags

from drgn_tf import weights
from drgn_tf.data.pairs import find_pairs
from drgn_tf.exports import pipeline, reports
from drgn_tf.exports.calibration import load_calibration_photos
from drgn_tf.files import sha256
from drgn_tf.flags import export_flags
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.models import ModelFileError, macs_per_pixel

absl_flags.adopt_module_key_flags(export_flags)

_COMPARED = 12
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnx", "onnxruntime")


def _export() -> list[pipeline.Outcome]:
    """Does what the flags ask for; ValueError if that cannot begin."""
    options, output_dir = export_flags.export_options(), export_flags.output_dir()
    model = export_flags.model()
    if model not in weights.names() and not model.endswith(".keras"):
        raise ModelFileError(
            f"{model}: exports are made from {', '.join(weights.names())}, or from a .keras file."
        )
    reference = load_driver(model)
    photos = load_calibration_photos(export_flags.calibration_dir())
    pairs_dir = export_flags.eval_data_dir()
    pairs = find_pairs(pairs_dir) if pairs_dir else []
    artefacts = pipeline.plan(reference.model, options, photos)
    pipeline.check_targets(artefacts, output_dir, options.overwrite)
    outcomes = []
    # All calibrate; a dozen, spread over them, are compared and one is shown.
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
                progress.write(f"error: {outcome.reason}", file=sys.stderr)
            else:
                made = load_driver(output_dir / artefact.path, options.threads)
                pictures[str(artefact.path)] = Enhancer(made)(shown)
    quality = pipeline.quality(reference, pairs) if pairs else None
    facts = {
        "name": options.name,
        "model": reference.path.name,
        "sha256": sha256(reference.path),
        "parameters": reference.model.count_params(),
        "macs_per_pixel": round(macs_per_pixel(reference.model)),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "calibration": f"{options.calibration_count} cuttings of {len(photos)} photos of "
        f"{export_flags.calibration_dir() or 'the sample set, as they are and darkened'}",
        "quality": quality and {**quality, "photos": len(pairs), "folder": pairs_dir.name},
    }
    reports.write_report(output_dir, facts, outcomes, pictures)
    return outcomes


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    if not absl_flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    try:
        outcomes = _export()
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; what was finished stays.", file=sys.stderr)
        sys.exit(130)
    print(reports.table(outcomes))
    failed = sum(outcome.reason is not None for outcome in outcomes)
    folder = export_flags.output_dir()
    print(f"\n{len(outcomes) - failed} artefacts are in {folder}; see {folder / 'report.md'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    app.run(main)
