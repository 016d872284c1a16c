"""The code in the documentation of the exports runs as it stands there."""

from __future__ import annotations

import base64
import collections
import http.server
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
import types

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from PIL import Image
from tensorflow.core.framework import tensor_pb2

from drgn_tf.brightness import expose
from drgn_tf.cli import program
from drgn_tf.exports import pipeline
from drgn_tf.flags import export_flags

# Of TensorFlow Serving.
SERVER_FLAGS = {
    "rest_api_timeout_in_ms", "enable_batching", "batching_parameters_file", "model_config_file",
    "model_config_file_poll_wait_seconds", "allow_version_labels_for_unavailable_models",
}  # fmt: skip
DOCS = pathlib.Path(__file__).parents[2] / "docs"
SAMPLE = DOCS.parent / "examples" / "android"
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
    path = folder / "exported" / "onnx" / "mobile_nchw_512x512_tiled.onnx"
    shutil.copy(onnx_file("nchw", (64, 48), "tiled"), path)
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
    for name, module in grpc_packages(exported).items():
        monkeypatch.setitem(sys.modules, name, module)
    assert run_all([grpc])["enhanced"].shape == (1, 480, 640, 3)
    assert run_all([local])["enhanced"].shape == (2, 37, 53, 3)


def grpc_packages(exported: pathlib.Path) -> dict[str, types.ModuleType]:
    """Stand-ins for grpc and tensorflow-serving-api, which call the SavedModel."""
    model = tf.saved_model.load(str(exported / "exported" / "saved_model" / "1"))

    def request() -> types.SimpleNamespace:
        return types.SimpleNamespace(
            model_spec=types.SimpleNamespace(),
            inputs=collections.defaultdict(tensor_pb2.TensorProto),
        )

    class Stub:
        def __init__(self, channel):
            (self.address, self.options) = channel

        def Predict(self, request, timeout):
            assert self.address == "localhost:8500" and request.model_spec.name == "drgn"
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            signature = model.signatures[request.model_spec.signature_name]
            results = signature(**{name: tf.constant(value) for name, value in inputs.items()})
            outputs = {name: tf.make_tensor_proto(value) for name, value in results.items()}
            size = sum(output.ByteSize() for output in outputs.values())
            assert size < dict(self.options)["grpc.max_receive_message_length"]
            return types.SimpleNamespace(outputs=outputs)

    modules = {
        "grpc": {"insecure_channel": lambda address, options: (address, options)},
        "tensorflow_serving": {},
        "tensorflow_serving.apis": {
            "predict_pb2": types.SimpleNamespace(PredictRequest=request),
            "prediction_service_pb2_grpc": types.SimpleNamespace(PredictionServiceStub=Stub),
        },
    }
    made = {}
    for name, members in modules.items():
        made[name] = types.ModuleType(name)
        vars(made[name]).update(members)
    return made


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


def test_onnx_from_the_shell(exported):
    (command,) = blocks("onnx.md", "bash")
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace("python", sys.executable, 1)],
        cwd=exported, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in ("NNAPI", "CoreML MLProgram"):
        assert f"{name} should work well for this model" in process.stdout + process.stderr


@pytest.mark.usefixtures("flags_of_one_program")
@pytest.mark.parametrize("name", ["android.md", "onnx.md", "serving.md"])
def test_commands_make_the_files_that_are_named(name, tiny_model, dark_photos):
    text = (DOCS / name).read_text()
    planned = set()
    for command in re.findall(r"^ {4}(drgn-export .*)", text, re.M):
        with flagsaver.flagsaver():
            assert program.parse_flags(shlex.split(command)) == ["drgn-export"]
            options = export_flags.export_options()
        artefacts = pipeline.plan(tiny_model, options, dark_photos)
        planned |= {str(artefact.path) for artefact in artefacts}
    named = set(re.findall(r"\bmobile_\w+\.(?:tflite|onnx)\b", text))
    assert named <= {path.split("/")[1] for path in planned} and planned
    # Flags in the text are flags of a program.
    for flag in re.findall(r"`--(\w+)", text):
        assert flag in flags.FLAGS or flag in SERVER_FLAGS, flag


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


def test_android_shows_the_code_of_the_sample():
    def flush_left(text: str) -> str:
        return re.sub(r"^[ \t]+", "", text, flags=re.M)

    files = [path for suffix in ("kt", "kts", "toml") for path in SAMPLE.rglob(f"*.{suffix}")]
    sources = [flush_left(path.read_text()) for path in files]
    shown = [*blocks("android.md", "kotlin"), *blocks("android.md", "toml")]
    assert len(shown) == 4
    for block in shown:
        assert any(flush_left(block) in source for source in sources), block


def test_android_is_tested_by_the_compiler_that_builds_it():
    with (SAMPLE / "gradle" / "libs.versions.toml").open("rb") as file:
        versions = tomllib.load(file)["versions"]
    packages = json.loads((SAMPLE / "package.json").read_text())["devDependencies"]
    assert packages == {"kotlin-compiler": versions["kotlin"]}
    assert f"Kotlin {versions['kotlin']}" in (DOCS / "android.md").read_text()
