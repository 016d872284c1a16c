"""Checks a .tflite file on this machine: python golden/check.py tflite/<name>.tflite"""

import json
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

golden, path = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
facts = json.loads((golden / "golden.json").read_text())
kind, side = facts["files"][f"tflite/{path.name}"], facts["thumbnail_size"]
photo = np.fromfile(golden / "image.bin", np.uint8).reshape(1, facts["height"], facts["width"], 3)
feeds: dict[str, np.ndarray] = {"image": photo / np.float32(255)}
feeds["thumbnail"] = np.fromfile(golden / "thumbnail.bin", "<f4").reshape(1, side, side, 3)
runner = Interpreter(str(path)).get_signature_runner()
inputs = runner.get_input_details()
in_bytes = inputs["image"]["dtype"] == np.uint8
if in_bytes:
    feeds["image"] = photo
for case, brightness in facts["brightness"].items():
    feeds["brightness"] = np.array([[brightness]], np.float32)
    if brightness and "brightness" not in inputs:
        continue
    result = runner(**{name: feeds[name] for name in inputs})["enhanced"]
    expected = np.fromfile(golden / f"{kind}_{case}.bin", np.uint8).reshape(photo.shape)
    difference = (result if in_bytes else np.round(255 * result)) - np.float64(expected)
    decibels = 10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-6))
    if not decibels >= facts["least_db"][kind]:
        sys.exit(f"{path.name}, {case}: WRONG, {decibels:.1f} dB from what it should be")
    print(f"{path.name}, {case}: right, {decibels:.1f} dB from what it should be")
