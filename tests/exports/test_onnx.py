"""ONNX files give the network's images, in both layouts, and say what they are."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.tools.mobile_helpers import usability_checker
from PIL import Image

from drgn_tf.errors import UserError
from drgn_tf.exports import onnx as onnx_export
from drgn_tf.exports import onnx_rewriting
from drgn_tf.exports.calibration import calibration_samples
from drgn_tf.exports.onnx import export_onnx, export_ort, onnx_operators
from drgn_tf.exports.verification import BOUNDS, psnr_between
from drgn_tf.inference import load_driver, photo_thumbnail

FILES = {
    "nhwc_dynamic_whole": ("nhwc", None, "whole"),
    "nhwc_dynamic_whole_brightness": ("nhwc", None, "whole_brightness"),
    "nchw_dynamic_tiled": ("nchw", None, "tiled"),
    "nhwc_37x53_whole": ("nhwc", (37, 53), "whole"),
    "nchw_64x48_tiled": ("nchw", (64, 48), "tiled"),
    "nchw_64x48_tiled_float16": ("nchw", (64, 48), "tiled", "float16"),
    "nhwc_dynamic_tiled_float16": ("nhwc", None, "tiled", "float16"),
}
FLOAT32 = [name for name in FILES if "float16" not in name]


@pytest.fixture(scope="module")
def files(onnx_file):
    return {name: onnx_file(*kind) for name, kind in FILES.items()}


def cut(photos, height, width) -> np.ndarray:
    repeats = (-(-height // photos[0].shape[0]), -(-width // photos[0].shape[1]), 1)
    return np.tile(photos[0], repeats)[np.newaxis, :height, :width] / np.float32(255)


@pytest.mark.parametrize("size", [(1, 1), (37, 53), (64, 48), (17, 2), (1080, 1920)])
@pytest.mark.parametrize("name", ["nhwc_dynamic_whole", "nchw_dynamic_tiled"])
def test_any_size_is_the_networks(files, tiny_model, dark_photos, name, size):
    image = cut(dark_photos, *size)
    thumbnail = None
    if name.endswith("tiled"):
        thumbnail = np.asarray(tiny_model.thumbnail(cut(dark_photos, 200, 300)))
    result = load_driver(files[name], threads=1).run(image, thumbnail)["enhanced"]
    expected = tiny_model(image, thumbnail)["enhanced"]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["nhwc_dynamic_whole", "nchw_dynamic_tiled"])
def test_a_batch_of_whole_photos(files, tiny_model, dark_photos, name):
    images = np.concatenate([cut(dark_photos, 20, 31), cut(dark_photos, 40, 31)[:, 20:]])
    result = load_driver(files[name], threads=1).run(images)["enhanced"]
    np.testing.assert_allclose(result, tiny_model(images)["enhanced"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["nhwc_37x53_whole", "nchw_64x48_tiled"])
def test_fixed_sizes_are_the_networks(files, tiny_model, dark_photos, name):
    driver = load_driver(files[name], threads=1)
    assert driver.size == FILES[name][1]
    image = cut(dark_photos, *driver.size)
    thumbnail = None
    if driver.thumbnail_size:
        thumbnail = np.asarray(tiny_model.thumbnail(cut(dark_photos, 200, 300)))
    result = driver.run(image, thumbnail)["enhanced"]
    expected = tiny_model(image, thumbnail)["enhanced"]
    np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["nhwc_dynamic_whole_brightness", "nchw_dynamic_tiled"])
def test_photos_are_as_bright_as_asked(files, tiny_model, dark_photos, name):
    driver = load_driver(files[name], threads=1)
    images = np.concatenate([cut(dark_photos, 40, 31), 0.5 * cut(dark_photos, 40, 31)])
    thumbnails = np.asarray(tiny_model.thumbnail(images))
    asked = np.array([[0.0], [0.6]], np.float32)
    result = driver.run(images, thumbnails if driver.thumbnail_size else None, asked)
    expected = tiny_model(images, thumbnails, asked)
    for key in ("enhanced", "brightness"):
        np.testing.assert_allclose(result[key], expected[key], atol=1e-4, rtol=0)


@pytest.mark.long
def test_a_network_without_brightness(plain_model, dark_photos, tmp_path):
    path = tmp_path / "plain.onnx"
    export_onnx(plain_model, path, layout="nchw", size=None, flavour="tiled", name="plain")
    driver = load_driver(path, threads=1)
    image = cut(dark_photos, 20, 31)
    thumbnail = np.asarray(plain_model.thumbnail(image))
    assert not driver.takes_brightness
    expected = plain_model(image, thumbnail)["enhanced"]
    np.testing.assert_allclose(driver.run(image, thumbnail)["enhanced"], expected, atol=1e-4)
    with pytest.raises(UserError, match=r"unknown flavour 'whole_brightness'.*: whole, tiled"):
        export_onnx(plain_model, path, layout="nchw", size=None, flavour="whole_brightness",
                    name="plain")  # fmt: skip


def test_inputs_and_outputs_have_names_and_named_dimensions(files):
    described = {}
    for name in FLOAT32:
        graph = onnx.load(files[name]).graph
        described[name] = {
            value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.output)
        }
    nhwc, nchw = ["batch", "height", "width", 3], ["batch", 3, "height", "width"]
    assert described == {
        "nhwc_dynamic_whole": {"image": nhwc, "enhanced": nhwc},
        "nhwc_dynamic_whole_brightness": {
            "image": nhwc,
            "brightness": ["batch", 1],
            "enhanced": nhwc,
            "aimed_brightness": ["batch", 1],
        },
        "nchw_dynamic_tiled": {
            "image": nchw,
            "thumbnail": ["batch", 3, 16, 16],
            "brightness": ["batch", 1],
            "enhanced": nchw,
            "aimed_brightness": ["batch", 1],
        },
        "nhwc_37x53_whole": {"image": [1, 37, 53, 3], "enhanced": [1, 37, 53, 3]},
        "nchw_64x48_tiled": {
            "image": [1, 3, 64, 48],
            "thumbnail": [1, 3, 16, 16],
            "brightness": [1, 1],
            "enhanced": [1, 3, 64, 48],
            "aimed_brightness": [1, 1],
        },
    }


def test_the_graph_is_what_runtimes_run_fast(files):
    nhwc, nchw = (
        onnx_operators(files[name]) for name in ("nhwc_dynamic_whole", "nchw_64x48_tiled")
    )
    # At the edges only, and none at all in NCHW.
    assert nhwc["Transpose"] == 2 and "Transpose" not in nchw
    assert nchw["PRelu"] == nhwc["PRelu"] == 15 and "Neg" not in nchw
    # Nothing is left of the arithmetic with sizes where these are known.
    assert not {"Shape", "Slice", "Gather", "Where", "Cast"} & set(nchw)


@pytest.mark.parametrize("name", ["nchw_64x48_tiled", "nchw_64x48_tiled_float16"])
def test_accelerators_of_phones_take_the_whole_graph(files, name):
    with_shapes = usability_checker.ModelProtoWithShapeInfo(files[name]).model_with_shape_info
    for found in (
        usability_checker.check_nnapi_partitions(with_shapes, True),
        usability_checker.check_coreml_partitions(
            with_shapes, True, "coreml_supported_mlprogram_ops.md"
        ),
    ):
        assert (found.num_partitions, found.unsupported_ops) == (1, set())
        assert found.num_supported_nodes == found.num_nodes > 100


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("nchw_64x48_tiled_float16", (64, 48)),
        ("nhwc_dynamic_tiled_float16", (37, 53)),
        # Half precision cannot count as far.
        ("nhwc_dynamic_tiled_float16", (5, 2051)),
    ],
)
def test_half_precision_is_close(files, tiny_model, dark_photos, name, size):
    image = cut(dark_photos, *size)
    thumbnail = np.asarray(tiny_model.thumbnail(image))
    for asked in (0.0, 0.6):
        asked = np.full((1, 1), asked, np.float32)
        result = load_driver(files[name], threads=1).run(image, thumbnail, asked)
        expected = tiny_model(image, thumbnail, asked)
        bound = BOUNDS["float16"]
        np.testing.assert_allclose(result["enhanced"], expected["enhanced"], atol=bound.max_error)
        np.testing.assert_allclose(
            result["brightness"], expected["brightness"], atol=bound.brightness
        )
    graph = onnx.load(files[name]).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    kernels = {types[node.input[1]] for node in graph.node if node.op_type == "Conv"}
    assert kernels == {onnx.TensorProto.FLOAT16}


@pytest.mark.long
def test_integers_are_close_and_in_every_pixel(tiny_model, dark_photos, tmp_path, capfd):
    path, size = tmp_path / "tiny_integer.onnx", (64, 48)
    samples = calibration_samples(dark_photos, size, tiny_model.options.thumbnail_size, 6)
    export_onnx(tiny_model, path, layout="nchw", size=size, flavour="tiled", name="tiny",
                precision="integer", calibration=samples)  # fmt: skip
    assert os.listdir(tmp_path) == [path.name]
    captured = capfd.readouterr()
    assert "quantiz" not in (captured.out + captured.err).lower()
    driver = load_driver(path, threads=1)
    # The last is far brighter than any of the samples.
    for photo, asked in [(dark_photos[0], 0.0), (dark_photos[1], 0.6), (255 - dark_photos[2], 0.2)]:
        image = photo[np.newaxis, :64, :48] / np.float32(255)
        thumbnail = photo_thumbnail(photo, tiny_model.options.thumbnail_size)
        asked = np.full((1, 1), asked, np.float32)
        result = driver.run(image, thumbnail, asked)
        expected = tiny_model(image, thumbnail, asked)
        assert psnr_between(result["enhanced"], np.asarray(expected["enhanced"])) >= 40
        np.testing.assert_allclose(result["brightness"], expected["brightness"], atol=1e-4)
    graph = onnx.load(path).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    steps = {
        node.output[0]: types[node.input[2]]
        for node in graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    }
    of_pixels, convolutions = {"image"}, 0
    for node in graph.node:
        if of_pixels.isdisjoint(node.input):
            continue
        of_pixels.update(node.output)
        if node.op_type in ("Conv", "PRelu", "DepthToSpace", "AveragePool", "Concat"):
            assert steps[node.input[0]] == onnx.TensorProto.UINT16
        if node.op_type == "Conv":
            convolutions += 1
            assert steps[node.input[1]] == onnx.TensorProto.INT8
    assert "enhanced" in of_pixels and convolutions == 40
    with pytest.raises(UserError, match="integer files need a fixed size"):
        export_onnx(tiny_model, path, layout="nchw", size=None, flavour="tiled", name="tiny",
                    precision="integer", calibration=samples)  # fmt: skip


def graph_of(text: str) -> onnx.ModelProto:
    model = onnx.helper.make_model(
        onnx.parser.parse_graph(text), opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    return model


def outputs(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})


@pytest.mark.parametrize(
    ("rewrite", "text"),
    [
        (
            onnx_rewriting.replace_space_to_depth,
            "g (float[1,3,4,8] x) => (float[1,12,2,4] y) { y = SpaceToDepth<blocksize=2>(x) }",
        ),
        (
            onnx_rewriting.replace_min,
            "g (float[1,3,4,8] x) => (float[1,3,4,8] y) <float a = {0.7}, float b = {0.2}>"
            "{ m = Min(x, a) y = Max(m, b) }",
        ),
        (
            onnx_rewriting.replace_min,
            "g (float[1,3,4,8] x) => (float[1,3,4,8] y) <float a = {0.7}, float b = {0.2}>"
            "{ m = Max(b, x) y = Min(m, a) }",
        ),
        (
            onnx_rewriting.replace_min,
            "g (float[1,3,4,8] x) => (float[1,3,4,8] y, float[1,3,4,8] m)"
            "<float a = {0.7}, float b = {0.2}> { m = Max(x, b) y = Min(m, a) }",
        ),
        (
            onnx_rewriting.replace_reciprocal,
            "g (float[1,3,4,8] x) => (float[1,3,4,8] y) { y = Reciprocal(x) }",
        ),
    ],
)
def test_what_replaces_operators_is_equal_to_the_bit(rewrite, text):
    x = np.random.default_rng(3).random((1, 3, 4, 8), np.float32)
    model = graph_of(text)
    before, operator = outputs(model, x), model.graph.node[-1].op_type
    rewrite(model.graph)
    onnx.checker.check_model(model, full_check=True)
    assert operator not in [node.op_type for node in model.graph.node]
    for result, expected in zip(outputs(model, x), before, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_logarithms_without_log():
    model = graph_of("g (float[n] x) => (float[n] y) { y = Log(x) }")
    onnx_rewriting.replace_log(model.graph)
    assert "Log" not in [node.op_type for node in model.graph.node]
    x = np.geomspace(0.5 / 255, 1, 100_000).astype(np.float32)
    np.testing.assert_allclose(outputs(model, x)[0], np.log(x), atol=1e-6, rtol=0)


def test_metadata_says_what_goes_in(files):
    model = onnx.load(files["nchw_dynamic_tiled"])
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["name"] == "tiny" and found["license"] == "Apache-2.0" and found["version"]
    assert (found["layout"], found["range"], found["thumbnail_size"]) == ("NCHW", "0 to 1", "16")
    said = {value.name: value.doc_string for value in (*model.graph.input, *model.graph.output)}
    assert "0 for automatic" in said["brightness"] and "aimed at" in said["aimed_brightness"]
    assert [entry.version for entry in model.opset_import if not entry.domain] == [17]


def test_a_transpose_left_in_nchw_is_refused(tiny_model, tmp_path, monkeypatch):
    def convert(*_, **__):
        graph = onnx.parser.parse_graph(
            "g (float[1,3,4,4] image) => (float[1,3,4,4] enhanced)"
            "{ enhanced = Transpose<perm=[0,1,3,2]>(image) }"
        )
        return onnx.helper.make_model(graph), None

    monkeypatch.setattr(onnx_export.tf2onnx.convert, "from_function", convert)
    path = tmp_path / "net.onnx"
    with pytest.raises(UserError, match=r"net\.onnx: a Transpose is left"):
        export_onnx(tiny_model, path, layout="nchw", size=(4, 4), flavour="whole", name="net")
    assert not list(tmp_path.iterdir())


def test_ort_files_give_the_same(files, dark_photos, tmp_path, capfd):
    path = shutil.copy(files["nchw_64x48_tiled"], tmp_path / "net.onnx")
    report = export_ort(path)
    assert "NNAPI" in report and "CoreML" in report
    assert capfd.readouterr().out == ""
    image, thumbnail = cut(dark_photos, 64, 48), cut(dark_photos, 16, 16)
    results = [
        load_driver(file, threads=1).run(image, thumbnail)["enhanced"]
        for file in (path, path.with_suffix(".ort"))
    ]
    np.testing.assert_allclose(*results, atol=1e-5)


def test_exported_files_run_where_tensorflow_and_keras_are_not(
    files, tflite_file, dark_photos, tmp_path
):
    absent = tmp_path / "absent"
    absent.mkdir()
    for name in ("tensorflow", "keras"):
        (absent / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')")
    Image.fromarray(dark_photos[0]).save(tmp_path / "dark.png")
    for model in (files["nchw_dynamic_tiled"], tflite_file("float32")):
        out = tmp_path / model.suffix
        process = subprocess.run(
            [sys.executable, "enhance_main.py", f"--model={model}", f"--output_dir={out}",
             tmp_path / "dark.png"],
            cwd=pathlib.Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(absent)},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert process.returncode == 0, process.stdout + process.stderr
        assert (out / "dark.png").exists()


@pytest.mark.parametrize("name", ["nhwc_dynamic_whole_brightness", "nchw_64x48_tiled_float16"])
def test_neither_order_nor_names_of_the_converter_are_left(files, name):
    """tf2onnx numbers nodes as its sets come, differently in each process."""
    known = onnx.load(files[name])
    mixed = onnx.load(files[name])
    ends = {value.name for value in (*mixed.graph.input, *mixed.graph.output)}

    def other(name: str) -> str:
        return name if name in ends or not name else f"other_{hash(name)}"

    for node in mixed.graph.node:
        node.name = other(node.name)
        node.input[:] = map(other, node.input)
        node.output[:] = map(other, node.output)
    for value in (*mixed.graph.initializer, *mixed.graph.value_info):
        value.name = other(value.name)
    for values in (mixed.graph.node, mixed.graph.initializer, mixed.graph.value_info):
        values.sort(key=lambda value: value.name)
    assert mixed != known
    onnx_rewriting.in_fixed_order(mixed.graph)
    assert mixed.SerializeToString() == known.SerializeToString()
