"""Networks of other people, by their descriptions."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper

from drgn_tf.errors import UserError
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.network_description import read_description
from tests.model_files import ADD, tflite

# Rounding to 8 bits twice, and the float32 of a range of 2.
A_LEVEL = 1


def save_onnx(path, nodes, shape, dtype=TensorProto.FLOAT, results=("result",)):
    """Writes a file of these nodes, from "photo" to the results."""
    graph = helper.make_graph(
        [node for node in nodes if isinstance(node, onnx.NodeProto)],
        "net",
        [helper.make_tensor_value_info("photo", dtype, shape)],
        [helper.make_tensor_value_info(name, dtype, None) for name in results],
        [node for node in nodes if isinstance(node, onnx.TensorProto)],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def multiplied(*factors):
    """Nodes that multiply the channels [1, 3, H, W]."""
    values = np.array(factors, np.float32).reshape(1, -1, 1, 1)
    constant = helper.make_tensor("factors", TensorProto.FLOAT, values.shape, values.ravel())
    return [helper.make_node("Mul", ["photo", "factors"], ["result"]), constant]


NCHW = [1, 3, "h", "w"]


@pytest.fixture
def enhancer(tmp_path):
    """Opens a network by the entries of its description."""

    def opened(**entries) -> Enhancer:
        path = tmp_path / "peer.json"
        path.write_text(json.dumps(entries))
        return Enhancer(load_driver(path))

    return opened


@pytest.fixture
def crop(photo):
    return photo[100:141, 100:153]


def test_ranges_and_channels_are_those_of_the_network(enhancer, tmp_path, crop):
    # Keeps the first of its channels, and makes 0 of the others.
    save_onnx(tmp_path / "net.onnx", multiplied(1, 0, 0), NCHW)
    red = enhancer(file="net.onnx")(crop)
    np.testing.assert_array_equal(red[..., 0], crop[..., 0])
    assert not red[..., 1:].any()
    # -1 is black: 0 is in the middle.
    blue = enhancer(file="net.onnx", channels="bgr", input_range=[-1, 1])(crop)
    np.testing.assert_allclose(blue[..., 2], crop[..., 2], atol=A_LEVEL)
    assert (blue[..., :2] == 128).all()
    half = enhancer(file="net.onnx", input_range=[0, 255], output_range=[0, 510])(crop)
    np.testing.assert_allclose(half[..., 0], crop[..., 0] / 2, atol=A_LEVEL)


def test_a_residual_is_added(enhancer, tmp_path, crop):
    save_onnx(tmp_path / "net.onnx", multiplied(0.5, 0, -1), NCHW)
    # Of a range of 2, half as much is 1/4 of the photo; what is added has no black.
    result = enhancer(file="net.onnx", result="residual", output_range=[-1, 1])(crop)
    expected = crop * np.array([1.25, 1, 0.5])
    np.testing.assert_allclose(result, np.minimum(expected, 255), atol=A_LEVEL)


def test_the_output_is_chosen_by_place_or_name(enhancer, tmp_path, crop):
    nodes = [
        helper.make_node("Neg", ["photo"], ["curve"]),
        helper.make_node("Identity", ["photo"], ["result"]),
    ]
    save_onnx(tmp_path / "net.onnx", nodes, NCHW, results=("curve", "result"))
    for output in (1, "result"):
        chosen = enhancer(file="net.onnx", input="photo", output=output)
        np.testing.assert_array_equal(chosen(crop), crop)
    assert not enhancer(file="net.onnx")(crop).any()


def test_photos_are_padded_to_a_multiple(enhancer, tmp_path, crop):
    nodes = [
        helper.make_node("SpaceToDepth", ["photo"], ["deep"], blocksize=8),
        helper.make_node("DepthToSpace", ["deep"], ["result"], blocksize=8),
    ]
    save_onnx(tmp_path / "net.onnx", nodes, NCHW)
    np.testing.assert_array_equal(enhancer(file="net.onnx", multiple_of=8)(crop), crop)
    tiny = crop[:1, :3]
    np.testing.assert_array_equal(enhancer(file="net.onnx", multiple_of=8)(tiny), tiny)
    with pytest.raises(UserError, match=r"net\.onnx: does not run"):
        enhancer(file="net.onnx")(crop)


def test_a_fixed_size_is_cut_into_tiles_or_stretched(enhancer, tmp_path, crop):
    (tmp_path / "net.tflite").write_bytes(tflite(ADD))
    twice = np.minimum(2 * crop.astype(int), 255)
    tiled = enhancer(file="net.tflite")
    assert tiled.tile_count(41, 53) > 9
    np.testing.assert_allclose(tiled(crop), twice, atol=A_LEVEL)
    stretched = enhancer(file="net.tflite", resize_mode="stretch", name="Double")
    assert stretched.driver.name == "Double"
    result = stretched(crop)
    assert result.shape == crop.shape
    # Blurred by 53 to 16 pixels and back, and as bright.
    assert result.mean() == pytest.approx(twice.mean(), rel=0.05)
    assert (
        np.abs(np.diff(result.astype(int), axis=1)).mean() < np.abs(np.diff(twice, axis=1)).mean()
    )


def test_8_bit_networks_get_levels(enhancer, tmp_path, crop):
    invert = [
        helper.make_node("BitwiseNot", ["photo"], ["result"]),
    ]
    save_onnx(tmp_path / "net.onnx", invert, [1, "h", "w", 3], TensorProto.UINT8)
    model = onnx.load(tmp_path / "net.onnx")
    model.opset_import[0].version = 18
    onnx.save(model, tmp_path / "net.onnx")
    result = enhancer(file="net.onnx", input_range=[0, 255])(crop)
    np.testing.assert_array_equal(result, 255 - crop)


def test_a_saved_model(enhancer, tmp_path, crop):
    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], name="photo")])
        def __call__(self, photo):
            return {"curve": photo * 0, "result": tf.sqrt(photo)}

    net = Net()
    tf.saved_model.save(net, str(tmp_path / "net"), signatures={"serving_default": net.__call__})
    result = enhancer(file="net", output="result")(crop)
    np.testing.assert_allclose(result, 255 * (crop / 255) ** 0.5, atol=A_LEVEL)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({}, '"file" is missing; it must be the path of'),
        ({"file": 3}, '"file" must be the path of'),
        ({"file": "net.onnx", "name": "../x"}, "without slashes"),
        ({"file": "net.onnx", "name": ".."}, "without slashes"),
        ({"file": "two.onnx"}, "has 2 inputs (photo, factors)"),
        ({"file": "gone.onnx"}, "gone.onnx, which does not exist"),
        ({"file": "text.txt"}, "is no .tflite, .onnx or .ort file"),
        ({"file": "bad.onnx"}, "cannot be loaded"),
        ({"file": "net.onnx", "range": [0, 1]}, 'unknown entry "range"; there are file, name'),
        ({"file": "net.onnx", "input_range": [1, 0]}, "two rising numbers"),
        ({"file": "net.onnx", "input_range": [math.nan, 1]}, "two rising numbers"),
        ({"file": "net.onnx", "layout": "hwc"}, '"layout" must be one of nhwc, nchw'),
        ({"file": "net.onnx", "size": [16, 16], "multiple_of": 8}, '"multiple_of" is for networks'),
        ({"file": "net.tflite", "multiple_of": 8}, "takes 16x16; leave it out"),
        ({"file": "net.onnx", "input": "image"}, "has no input 'image', but photo"),
        ({"file": "net.onnx", "output": "enhanced"}, "has no output 'enhanced'; there are result"),
        ({"file": "net.onnx", "output": 4}, "has no output 4"),
        ({"file": "net.onnx", "output": True}, "the name or the place of an output"),
        ({"file": "net.onnx", "layout": "nhwc"}, "not run|size of its input"),
        ({"file": "root.onnx", "input_range": [-1, 1]}, "holds values that are no numbers"),
        ({"file": "small.onnx"}, "is [1, 3, 32, 32], not [1, 3, 64, 64]"),
    ],
)
def test_what_describes_no_network_is_one_line(enhancer, tmp_path, entries, said):
    save_onnx(tmp_path / "net.onnx", multiplied(1, 1, 1), NCHW)
    save_onnx(tmp_path / "root.onnx", [helper.make_node("Sqrt", ["photo"], ["result"])], NCHW)
    pool = helper.make_node(
        "AveragePool", ["photo"], ["result"], kernel_shape=[2, 2], strides=[2, 2]
    )
    save_onnx(tmp_path / "small.onnx", [pool], NCHW)
    two = onnx.load(tmp_path / "net.onnx")
    two.graph.input.append(
        helper.make_tensor_value_info("factors", TensorProto.FLOAT, [1, 3, 1, 1])
    )
    del two.graph.initializer[:]
    onnx.save(two, tmp_path / "two.onnx")
    (tmp_path / "net.tflite").write_bytes(tflite(ADD))
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    (tmp_path / "text.txt").write_text("no network")
    with pytest.raises(UserError) as caught:
        enhancer(**entries)(np.zeros((64, 64, 3), np.uint8))
    assert "\n" not in str(caught.value)
    assert any(part in str(caught.value) for part in said.split("|"))


@pytest.mark.parametrize("text", ["file: net.onnx", "[]", '"net.onnx"', "{" * 100_000])
def test_what_is_no_description_is_one_line(tmp_path, text):
    (tmp_path / "peer.json").write_text(text)
    with pytest.raises(UserError, match=r"peer\.json: .*the description of a network"):
        read_description(tmp_path / "peer.json")


def test_the_examples_of_the_docs_are_descriptions(tmp_path):
    page = (pathlib.Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(
        encoding="utf-8"
    )
    examples = [
        line.strip() for line in page.splitlines() if line.startswith('    {"') and '"file"' in line
    ]
    names = []
    for example in examples:
        (tmp_path / "peer.json").write_text(example)
        names.append(read_description(tmp_path / "peer.json").name)
    assert names == ["Zero-DCE++", "peer"]
