"""The artefacts of the benchmarks: made here, or by an earlier export."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator


def make(model: str, folder: pathlib.Path, calibration_count: int) -> Iterator[tuple[str, float]]:
    """Exports the default artefacts of `export_main.py`, without verification.

    Args:
      model: as of `drgn_tf.inference.load_driver`, of kind "keras".
      folder: of the artefacts.
      calibration_count: number of crops of photos for calibration.

    Yields:
      Path relative to the folder, and the seconds of its export.
    """
    from drgn_tf.exports import pipeline
    from drgn_tf.exports.calibration import load_calibration_photos
    from drgn_tf.inference.loading import load_keras

    reference = load_keras(model)
    options = pipeline.ExportOptions(name=reference.path.stem, calibration_count=calibration_count)
    for artefact in pipeline.plan(reference.model, options, load_calibration_photos()):
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        artefact.write(path)
        yield str(artefact.path), time.perf_counter() - begin


def find(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the artefacts in a folder that an export made.

    Of the flavours that which takes a thumbnail ("tiled"): the others differ by next to
    nothing in speed. Files of any size come before those of a fixed one.

    Raises:
      ValueError: there is none.
    """
    found = [
        *sorted(path.parent for path in folder.glob("saved_model/*/saved_model.pb")),
        *sorted(folder.glob("tflite/*_dynamic_tiled_*.tflite")),
        *sorted(folder.glob("tflite/*[0-9]_tiled_*.tflite")),
        *sorted(folder.glob("onnx/*_dynamic_tiled.onnx")),
    ]
    if not found:
        raise ValueError(f"{folder}: holds no artefacts; give a folder of export_main.py.")
    return found
