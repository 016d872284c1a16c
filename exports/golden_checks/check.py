"""Checks a .tflite, .onnx or .ort file on this machine: python golden/check.py <folder>/<name>"""

import json
import pathlib
import sys

import numpy as np

golden, path = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
facts = json.loads((golden / "golden.json").read_text())
kind, side = (
    facts["files"].get(f"{path.resolve().parent.name}/{path.name}"),
    facts["thumbnail_size"],
)
if kind is None:
    sys.exit(f"{path}: golden.json lists no such file")
photo = np.fromfile(golden / "image.bin", np.uint8).reshape(1, facts["height"], facts["width"], 3)
feeds: dict[str, np.ndarray] = {"image": photo / np.float32(255)}
feeds["thumbnail"] = np.fromfile(golden / "thumbnail.bin", "<f4").reshape(1, side, side, 3)
in_bytes = in_planes = False
if path.suffix == ".tflite":
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()
    inputs = list(run.get_input_details())
    in_bytes = run.get_input_details()["image"]["dtype"] == np.uint8
else:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    inputs = [given.name for given in session.get_inputs()]
    in_planes = session.get_inputs()[0].shape[1] == 3

    def run(**given: np.ndarray) -> dict[str, np.ndarray]:
        planes = {name: np.moveaxis(x, 3, 1) if x.ndim == 4 else x for name, x in given.items()}
        (enhanced,) = session.run(["enhanced"], planes if in_planes else given)
        return {"enhanced": np.moveaxis(enhanced, 1, 3) if in_planes else enhanced}


if in_bytes:
    feeds["image"] = photo
for case, brightness in facts["brightness"].items():
    feeds["brightness"] = np.array([[brightness]], np.float32)
    if brightness and "brightness" not in inputs:
        continue
    result = run(**{name: feeds[name] for name in inputs})["enhanced"]
    expected = np.fromfile(golden / f"{kind}_{case}.bin", np.uint8).reshape(photo.shape)
    difference = (result if in_bytes else np.round(255 * result)) - np.float64(expected)
    decibels = 10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-6))
    if not decibels >= facts["least_db"][kind]:
        sys.exit(f"{path.name}, {case}: WRONG, {decibels:.1f} dB from what it should be")
    print(f"{path.name}, {case}: right, {decibels:.1f} dB from what it should be")
