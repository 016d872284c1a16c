"""Files that crash their runtime, never end or need all memory: one line, and the process lives."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from onnx import helper

from drgn_tf import weights
from drgn_tf.inference import ModelFileError, load_driver, trial
from tests.model_files import ADD, IMAGE, loop, onnx_loop, tflite


def said(path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_driver(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line


@pytest.mark.parametrize(
    ("name", "content"), [("net.tflite", tflite(ADD)), ("net.onnx", onnx_loop(1))]
)
def test_small_files_run(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    image = np.full(IMAGE, 0.25, np.float32)
    np.testing.assert_array_equal(load_driver(tmp_path / name).run(image)["enhanced"], 2 * image)


def test_a_crash_of_the_runtime_is_one_line(tmp_path):
    # Loops that contain each other: LiteRT prepares them until its stack is full.
    (tmp_path / "net.tflite").write_bytes(tflite(loop(1, 2), loop(2, 1), loop(1, 2)))
    assert "makes its runtime crash (signal " in said(tmp_path / "net.tflite")


def test_a_network_that_never_ends_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_LONGEST", 4)
    (tmp_path / "net.onnx").write_bytes(onnx_loop(2**62))
    started = time.monotonic()
    assert "took more than 4 s for a small photo" in said(tmp_path / "net.onnx")
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("side", [10**5, 2**31 - 1])
def test_huge_declared_shapes_are_one_line(tmp_path, side):
    (tmp_path / "net.tflite").write_bytes(tflite(ADD, shape=[1, side, side, 3]))
    said(tmp_path / "net.tflite")


def test_small_files_get_no_more_than_4_gb(tmp_path):
    """Of however much is free: 4.8 GB of zeros, declared in a few bytes."""
    model = onnx.ModelProto.FromString(onnx_loop(1))
    model.graph.initializer.append(helper.make_tensor("shape", 7, [2], [40_000, 30_000]))
    for node in (
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Add", ["before_sum", "sum"], ["enhanced"]),
    ):
        model.graph.node.append(node)
    model.graph.node[0].output[0] = "before_sum"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert "cannot be" in said(tmp_path / "net.onnx")


def test_wrong_shapes_of_results_are_one_line(tmp_path):
    model = onnx.ModelProto.FromString(onnx_loop(1))
    model.graph.node.insert(
        0, helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2])
    )
    model.graph.node[1].output[0] = "unused"
    model.graph.node.append(helper.make_node("Identity", ["turned"], ["enhanced"]))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert "[1, 3, 16, 16] for [1, 16, 16, 3]" in said(tmp_path / "net.onnx")


@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".ort"])
def test_files_that_are_none_are_one_line(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    for content in (b"", b"TFL3", bytes(4000), onnx_loop(1)[:100], tflite(ADD)[:200]):
        path.write_bytes(content)
        said(path)


def test_damage_of_a_network_is_one_line_or_harmless(tmp_path):
    whole = weights.fast_path("mobile").read_bytes()
    path = tmp_path / "net.tflite"
    for seed in range(4):
        content = bytearray(whole)
        generator = np.random.default_rng(seed)
        for place in generator.integers(0, len(content), 200):
            content[place] = generator.integers(256)
        path.write_bytes(content)
        try:
            load_driver(path)
        except ModelFileError as error:
            assert "\n" not in str(error)


def test_shipped_weights_are_not_tried(monkeypatch):
    monkeypatch.setattr(trial, "try_in_process", lambda *_: pytest.fail("tried"))
    load_driver("mobile")
    load_driver(weights.fast_path("mobile"), trusted=True)
