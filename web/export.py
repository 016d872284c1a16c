"""Exports a network for the web page or the Android sample, as tiles of one size, and verifies it.

python web/export.py --model=drgn_tf/weights/mobile.keras
"""

from __future__ import annotations

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.exports.calibration import load_calibration_photos
from drgn_tf.exports.pipeline import compared_photos
from drgn_tf.exports.tflite import export_tflite
from drgn_tf.exports.verification import BOUNDS, verify
from drgn_tf.files import atomic_path
from drgn_tf.inference import load_driver
from drgn_tf.inference.loading import load_keras

FILE = pathlib.Path(__file__).parent / "public" / "network" / "network.tflite"
# Height and width in pixels: one tile is a preview, which has to be there within 100 ms.
TILE = (256, 256)


def main() -> None:
    """Writes the file; raises UserError if it differs from the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile", help="a name, or a .keras file")
    parser.add_argument("--file", default=FILE, type=pathlib.Path, help="the .tflite file to write")
    arguments = parser.parse_args()
    reference, file = load_keras(arguments.model), arguments.file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with atomic_path(file) as staged:
        export_tflite(
            reference.model, staged, precision="float32", size=TILE, flavour="tiled", name="drgn"
        )
        photos = compared_photos(load_calibration_photos(None), "quick")
        verify(load_driver(staged), reference, photos, BOUNDS["float32"])
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, from {reference.path}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(program.error_line(str(error)))
