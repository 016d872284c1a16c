"""The export program as its users meet it."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from PIL import Image


@pytest.mark.long
def test_one_command_exports_proves_and_reports(programs, pair_folder, tmp_path):
    # Trained: the values inside a network of random weights do not fit into 8 bits.
    process = programs.run(
        "export_main.py",  # The launcher, of which there is one for each command.
        "--model=mobile",
        "--name=small",
        f"--output_dir={tmp_path}",
        "--tflite_sizes=32x48",
        "--tflite_precisions=float32,int8",
        "--onnx_layouts=nchw",
        "--threads=0",
        # By default 45 large photos are made, and twelve of them compared.
        f"--calibration_dir={pair_folder / 'low'}",
        f"--eval_data_dir={pair_folder}",
    )
    assert process.code == 0, process.output
    # No chatter of converters, TensorFlow or CUDA.
    assert process.stderr == ""
    expected = {
        "saved_model/1",
        "tflite/small_dynamic_whole_float32.tflite",
        "tflite/small_dynamic_whole_brightness_float32.tflite",
        "tflite/small_dynamic_tiled_float32.tflite",
        "tflite/small_32x48_tiled_float32.tflite",
        "tflite/small_32x48_tiled_int8.tflite",
        "onnx/small_nchw_dynamic_whole.onnx",
        "onnx/small_nchw_dynamic_whole_brightness.onnx",
        "onnx/small_nchw_dynamic_tiled.onnx",
        "onnx/small_nchw_dynamic_tiled_float16.onnx",
    }
    report = json.loads((tmp_path / "report.json").read_text())
    assert {artefact["path"] for artefact in report["artefacts"]} == expected
    for artefact in report["artefacts"]:
        assert (tmp_path / artefact["path"]).exists() and artefact["reason"] is None
        assert len(artefact["sha256"]) == 64
        assert artefact["path"] in process.stdout
        assert artefact["quality"]["psnr"] == pytest.approx(report["quality"]["psnr"], abs=1.0)
    for name in ("report.md", "README.md"):
        assert all(path in (tmp_path / name).read_text() for path in expected)
    with Image.open(tmp_path / "report.png") as picture:
        assert np.asarray(picture).std() > 20
    names = {"saved_model", "tflite", "onnx", "report.json", "report.md", "report.png",
             "README.md", "LICENSE", "golden"}  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == names | {"pairs"}


def test_bad_input_is_one_clear_line(answers, tiny_file, pair_folder, tmp_path):
    (tmp_path / "text.keras").write_text("no network")
    (tmp_path / "empty").mkdir()
    (tmp_path / "out" / "saved_model" / "1").mkdir(parents=True)
    discriminator = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    discriminator.save(tmp_path / "other.keras")
    out, small = f"--output_dir={tmp_path / 'out'}", f"--model={tiny_file}"
    cases = {
        (out, f"--model={tmp_path / 'text.keras'}"): "text.keras: is no .keras file",
        (out, f"--model={tmp_path / 'other.keras'}"): "holds 'Sequential', not a DRGN",
        (out, f"--model={tmp_path / 'gone.keras'}"): "gone.keras: no such file",
        (
            out,
            "--model=net.tflite",
        ): "net.tflite: is no .keras file; give one, or choose",
        (
            out,
            small,
            f"--calibration_dir={pair_folder / 'low'}",
        ): "saved_model/1: exists; choose another --output_dir or --saved_model_version",
        (out, small, "--formats=onnx,coreml"): "unknown 'coreml'; choose of saved_model, tflite",
        (out, small, "--tflite_sizes=256x0"): "'256x0' is no size; give HEIGHTxWIDTH",
        (out, small, "--tflite_sizes=-4x8"): "'-4x8' is no size",
        (out, small, "--onnx_precisions=float32,integer"): "give --onnx_sizes.",
        (out, small, "--onnx_sizes=64x20000"): "each from 16 to 4096, such as 256x256.",
        (out, small, f"--tflite_sizes={'9' * 5000}x64"): "99' is no size",
        (out, small, "--formats="): "--formats: give at least one of saved_model, tflite",
        (out, small, "--calibration_count=10001"): "not an integer in the range [1, 10000]",
        (out, small, "--tflite_precisions=int4"): "unknown 'int4'",
        (out, small, f"--calibration_dir={tmp_path / 'empty'}"): "empty",
        (out, small, "--formats=onnx", f"--eval_data_dir={tmp_path}"): "has no folder low/",
        (out, small, "--name=a/b"): "is no name for files",
    }
    for line, said in zip(answers("drgn_tf.cli.export", *cases), cases.values(), strict=True):
        assert line.startswith("error: ") and said in line and "\n" not in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["saved_model"]
