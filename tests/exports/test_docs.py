"""The code in the documentation of the exports runs as it stands there."""

from __future__ import annotations

import base64
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from drgn_tf.brightness import expose

DOCS = pathlib.Path(__file__).parents[2] / "docs"
SERVER = "localhost:8501"


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / name).read_text(), re.M | re.S)


def run_all(sources: list[str]) -> dict:
    names: dict = {}
    for source in sources:
        exec(source, names)
    return names


@pytest.fixture(scope="module")
def exported(dark_photos, saved_model, onnx_file, tflite_file, tmp_path_factory):
    """A folder with dark.jpg and the artefacts that the documents name, of a tiny network."""
    folder = tmp_path_factory.mktemp("docs")
    Image.fromarray(np.tile(dark_photos[0], (2, 2, 1))[:280, :300]).save(folder / "dark.jpg")
    for kind in ("saved_model", "onnx", "tflite"):
        (folder / "exported" / kind).mkdir(parents=True)
    shutil.copytree(saved_model, folder / "exported" / "saved_model" / "1")
    for layout in ("nhwc", "nchw"):
        for flavour in ("whole", "tiled"):
            path = folder / "exported" / "onnx" / f"mobile_{layout}_dynamic_{flavour}.onnx"
            shutil.copy(onnx_file(layout, None, flavour), path)
    for size, flavour in (((256, 256), "tiled"), (None, "whole")):
        name = f"mobile_{'256x256' if size else 'dynamic'}_{flavour}_float32.tflite"
        path = folder / "exported" / "tflite" / name
        shutil.copy(tflite_file("float32", size=size, flavour=flavour), path)
    return folder


class PredictHandler(http.server.BaseHTTPRequestHandler):
    """TF Serving's REST interface to `signatures`: GET of the state, POST of instances by row."""

    signatures: dict
    model_path = "/v1/models/drgn"

    def do_GET(self):
        assert self.path == self.model_path
        self.reply(200, {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]})

    def do_POST(self):
        assert self.path == f"{self.model_path}:predict"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        signature = self.signatures[body.get("signature_name", "serving_default")]
        specs = signature.structured_input_signature[1]
        inputs = {
            name: tf.constant([value(row[name]) for row in body["instances"]], spec.dtype)
            for name, spec in specs.items()
        }
        try:
            results = signature(**inputs)
        except tf.errors.InvalidArgumentError as error:
            self.reply(400, {"error": error.message})
            return
        columns = {name: result.numpy().tolist() for name, result in results.items()}
        for name, column in columns.items():
            if name.endswith("_bytes"):
                columns[name] = [{"b64": base64.b64encode(row).decode()} for row in column]
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        # An only output has no name there.
        rows = [row[name] for row in rows] if len(columns) == 1 else rows
        self.reply(200, {"predictions": rows})

    def reply(self, code: int, content: dict):
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def value(row):
    return base64.b64decode(row["b64"]) if isinstance(row, dict) else row


@pytest.fixture(scope="module")
def server(exported):
    model = tf.saved_model.load(str(exported / "exported" / "saved_model" / "1"))
    handler = type("Handler", (PredictHandler,), {"signatures": dict(model.signatures)})
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def enhanced_file(model, path: pathlib.Path) -> np.ndarray:
    photo = np.asarray(Image.open(path))[np.newaxis] / np.float32(255)
    return np.round(255 * np.asarray(model(photo)["enhanced"])[0])


def test_serving(exported, server, tiny_model, monkeypatch):
    monkeypatch.chdir(exported)
    rest, slider, grpc, local = blocks("serving.md", "python")
    names = run_all([rest.replace(SERVER, server)])
    result = np.asarray(Image.open("enhanced.png"))
    assert np.abs(result - enhanced_file(tiny_model, exported / "dark.jpg")).max() <= 1
    exec(slider, names)
    photo = np.asarray(Image.open("dark.jpg"))[np.newaxis] / np.float32(255)
    asked = expose(float(tiny_model.predicted_brightness(photo)[0, 0]), 0.5)
    assert names["aimed"] == pytest.approx(asked, abs=1e-5)
    result = np.asarray(Image.open("brighter.png"))
    expected = np.asarray(tiny_model(photo, brightness=np.float32([[asked]]))["enhanced"])[0]
    assert np.abs(result - np.round(255 * expected)).max() <= 1
    with pytest.raises(ValueError, match="File 1 of 1 is no JPEG, PNG, WebP, BMP or GIF"):
        names["enhance"]([b"no photo"])
    # Its packages are a client's, not this project's.
    compile(grpc, "serving.md", "exec")
    assert run_all([local])["enhanced"].shape == (2, 37, 53, 3)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_serving_from_the_shell(exported, server, tiny_model, monkeypatch):
    monkeypatch.chdir(exported)
    state, predict = blocks("serving.md", "bash")
    run = ["bash", "-euo", "pipefail", "-c"]
    command = [*run, state.replace(SERVER, server)]
    assert "AVAILABLE" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    subprocess.run([*run, predict.replace(SERVER, server)], check=True)
    (prediction,) = json.loads((exported / "response.json").read_text())["predictions"]
    (exported / "shell.png").write_bytes(base64.b64decode(prediction["b64"]))
    result = np.asarray(Image.open(exported / "shell.png"))
    assert np.abs(result - enhanced_file(tiny_model, exported / "dark.jpg")).max() <= 1


def test_onnx(exported, tiny_model, monkeypatch):
    monkeypatch.chdir(exported)
    names = run_all(blocks("onnx.md", "python"))
    result = np.asarray(Image.open("enhanced.png"))
    assert np.abs(result - enhanced_file(tiny_model, exported / "dark.jpg")).max() <= 1
    whole, size = names["image"], tiny_model.options.thumbnail_size
    thumbnail = tiny_model.thumbnail(whole)
    asked = expose(float(tiny_model.predicted_brightness(whole)[0, 0]), 0.5)
    part = tiny_model(whole[:, :256, :256], thumbnail, np.float32([[asked]]))["enhanced"]
    assert names["thumbnail"].shape == (1, size, size, 3)
    np.testing.assert_allclose(names["part"], part[:, :224, :224], atol=1e-4)
    assert names["result"].shape == names["photo"].shape
    assert names["result"].dtype == np.uint8


def test_android(exported, tiny_model, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    run_all(blocks("android.md", "python"))
    result = np.asarray(Image.open("enhanced.png"))
    assert np.abs(result - enhanced_file(tiny_model, exported / "dark.jpg")).max() <= 1
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(" ")[0] for line in lines]
    assert sorted(names[:3]) == ["brightness", "image", "thumbnail"]
    assert sorted(names[3:]) == ["brightness", "enhanced"]
    assert all("float32" in line for line in lines)
