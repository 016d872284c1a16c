"""The code in the documentation of the exports runs as it stands there."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from drgn_tf.brightness import expose
from drgn_tf.cli import program
from drgn_tf.exports import pipeline
from drgn_tf.flags import export_flags
from tests.stand_in import StandIn

pytestmark = pytest.mark.long

# Of TensorFlow Serving.
SERVER_FLAGS = {
    "rest_api_timeout_in_ms", "enable_batching", "batching_parameters_file", "model_config_file",
    "model_config_file_poll_wait_seconds", "allow_version_labels_for_unavailable_models",
}  # fmt: skip
DOCS = pathlib.Path(__file__).parents[2] / "docs"
SAMPLE = DOCS.parent / "examples" / "android"
REST, GRPC = "localhost:8501", "localhost:8500"


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


@pytest.fixture(scope="module")
def server(exported):
    with StandIn(exported / "exported" / "saved_model" / "1") as stand_in:
        yield stand_in


def enhanced_file(model, path: pathlib.Path) -> np.ndarray:
    photo = np.asarray(Image.open(path))[np.newaxis] / np.float32(255)
    return np.round(255 * np.asarray(model(photo)["enhanced"])[0])


def test_serving(exported, server, tiny_model, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    client, rest, slider, grpc, local = blocks("serving.md", "python")
    names = run_all([rest.replace(REST, server.rest)])
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
    names = run_all([client.replace(GRPC, server.grpc)])
    assert np.abs(np.asarray(Image.open("client.png")) - np.round(255 * expected)).max() <= 1
    assert np.abs(names["enhanced"] - np.round(255 * expected)).max() <= 1
    assert "File 2 of 2 is no JPEG, PNG, WebP, BMP or GIF" in capsys.readouterr().out
    names = run_all([grpc.replace(GRPC, server.grpc)])
    assert names["enhanced"].shape == (1, 480, 640, 3)
    assert run_all([local])["enhanced"].shape == (2, 37, 53, 3)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_serving_from_the_shell(exported, server, tiny_model, monkeypatch):
    monkeypatch.chdir(exported)
    state, predict = blocks("serving.md", "bash")
    run = ["bash", "-euo", "pipefail", "-c"]
    command = [*run, state.replace(REST, server.rest)]
    assert "AVAILABLE" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    subprocess.run([*run, predict.replace(REST, server.rest)], check=True)
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
