""".tflite files: equal to the network, of the promised types and names, refused if not."""

from __future__ import annotations

import collections
import dataclasses
import inspect
import itertools

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

from drgn_tf.errors import UserError
from drgn_tf.exports import calibration as calibrating
from drgn_tf.exports.tflite import PRECISIONS, SIGNATURE, export_tflite
from drgn_tf.exports.tflite_inspection import operator_name, type_name
from drgn_tf.exports.tflite_int8 import byte_kernel
from drgn_tf.exports.tflite_metadata import text, unpacked
from drgn_tf.exports.verification import BOUNDS, psnr_between
from drgn_tf.inference import load_driver, photo_thumbnail
from drgn_tf.models import DRGN, preset

SIZE = (64, 96)


@pytest.fixture(scope="module")
def files(tflite_file):
    """One tiled file of each precision."""
    return {precision: tflite_file(precision) for precision in PRECISIONS}


def image_of(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return photo[np.newaxis, : size[0], : size[1]] / np.float32(255)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_keeps_its_bound(files, tiny_model, dark_photos, precision):
    driver = load_driver(files[precision])
    assert driver.size == SIZE
    bound = BOUNDS[precision]
    for photo, asked in itertools.product(dark_photos, (0.0, 0.3, 0.6)):
        image, asked = image_of(photo[30:], SIZE), np.full((1, 1), asked, np.float32)
        thumbnail = photo_thumbnail(photo, driver.thumbnail_size)
        results = driver.run(image, thumbnail, asked)
        given = tiny_model(image, thumbnail, asked)
        result, expected = results["enhanced"], np.asarray(given["enhanced"])
        np.testing.assert_allclose(
            results["brightness"], given["brightness"], atol=bound.brightness
        )
        if bound.max_error is not None:
            np.testing.assert_allclose(result, expected, atol=bound.max_error)
        else:
            assert psnr_between(result, expected) >= bound.psnr


@pytest.mark.parametrize("precision", PRECISIONS)
def test_names_types_and_scales(files, precision):
    interpreter = Interpreter(model_path=str(files[precision]))
    ((_, signature),) = interpreter.get_signature_list().items()
    assert set(signature["inputs"]) == {"image", "thumbnail", "brightness"}
    assert set(signature["outputs"]) == {"enhanced", "brightness"}
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    assert [detail["name"] for detail in inputs] == ["image", "thumbnail", "brightness"]
    # The order counts where they are told apart by number, as in the Java API.
    assert [detail["name"] for detail in outputs] == ["enhanced", "aimed_brightness"]
    for detail in inputs + outputs:
        if precision in ("int8", "integer") and detail["name"] in ("image", "enhanced"):
            assert detail["dtype"] == np.uint8
            scale, zero_point = detail["quantization"]
            assert np.float32(scale) == np.float32(1 / 255)
            assert zero_point == 0
        else:
            assert detail["dtype"] == np.float32


# Names inside a file say how many networks its process has made: another process may have made
# `files`.
def exported(model, path, precision, **options) -> bytes:
    export_tflite(model, path, precision=precision, size=SIZE, flavour="tiled", name="tiny",
                  **options)  # fmt: skip
    return path.read_bytes()


def test_equal_networks_make_equal_files(tiny_model, samples, tmp_path):
    first, second = (
        exported(tiny_model, tmp_path / "int8.tflite", "int8", calibration=samples)
        for _ in range(2)
    )
    assert first == second


@pytest.mark.long
def test_what_is_converted_already_is_not_converted_again(tiny_model, tmp_path, monkeypatch):
    path, known, saved = tmp_path / "net.tflite", {}, []
    alone = exported(tiny_model, path, "dynamic_range")
    save = tf.saved_model.save
    monkeypatch.setattr(tf.saved_model, "save", lambda *a, **k: (saved.append(a), save(*a, **k)))
    first, after_another, again = (
        exported(tiny_model, path, precision, known=known)
        for precision in ("float32", "dynamic_range", "float32")
    )
    assert first == again and after_another == alone
    assert len(saved) == 1


def test_constants_lie_at_multiples_of_16_bytes(files):
    for path in files.values():
        data = path.read_bytes()
        for buffer in unpacked(data).buffers:
            if buffer.data is not None and len(buffer.data) >= 64:
                assert data.index(bytes(bytearray(buffer.data))) % 16 == 0


def test_whole_photos_are_as_bright_as_asked(tiny_model, dark_photos, tmp_path):
    path = tmp_path / "whole.tflite"
    export_tflite(tiny_model, path, precision="float32", size=None, flavour="whole_brightness",
                  name="tiny")  # fmt: skip
    driver = load_driver(path)
    for asked in (0.0, 0.6):
        image, asked = image_of(dark_photos[0], (37, 53)), np.full((1, 1), asked, np.float32)
        results, expected = driver.run(image, brightness=asked), tiny_model(image, brightness=asked)
        for name in ("enhanced", "brightness"):
            np.testing.assert_allclose(results[name], expected[name], atol=1e-4)


def test_a_network_without_brightness(plain_model, dark_photos, tmp_path):
    path = tmp_path / "plain.tflite"
    export_tflite(plain_model, path, precision="float32", size=SIZE, flavour="tiled", name="plain")
    image = image_of(dark_photos[0], SIZE)
    driver, thumbnail = load_driver(path), np.asarray(plain_model.thumbnail(image))
    assert not driver.takes_brightness
    result = driver.run(image, thumbnail)["enhanced"]
    np.testing.assert_allclose(result, plain_model(image, thumbnail)["enhanced"], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (37, 53)])
def test_a_fixed_size_that_is_no_multiple_of_4(tiny_model, dark_photos, tmp_path, size):
    path = tmp_path / "odd.tflite"
    export_tflite(tiny_model, path, precision="float32", size=size, flavour="whole", name="tiny")
    image = image_of(dark_photos[0], size)
    result = load_driver(path).run(image)["enhanced"]
    np.testing.assert_allclose(result, tiny_model(image)["enhanced"], atol=1e-4)


@pytest.mark.parametrize(("flavour", "precision"), [("whole", "float32"), ("tiled", "float16")])
def test_any_size(tflite_file, tiny_model, dark_photos, flavour, precision):
    driver = load_driver(tflite_file(precision, size=None, flavour=flavour))
    assert driver.size is None
    for size in [(64, 64), (37, 53), (1, 1), (2, 90)]:
        image = image_of(dark_photos[0], size)
        thumbnail = np.asarray(tiny_model.thumbnail(image))
        result = driver.run(image, thumbnail if flavour == "tiled" else None)["enhanced"]
        expected = tiny_model(image, thumbnail)
        np.testing.assert_allclose(result, expected["enhanced"], atol=BOUNDS[precision].max_error)
        if flavour == "tiled":
            predicted, bound = driver.predicted_brightness(thumbnail), BOUNDS[precision].brightness
            assert predicted == pytest.approx(float(expected["brightness"][0, 0]), abs=bound)


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic_range"])
def test_any_multiple_of_4_runs_in_both_interfaces_of_litert(
    tflite_file, tiny_model, dark_photos, precision
):
    path = tflite_file(precision, size=None, flavour="tiled")
    compiled = CompiledModel.from_file(str(path))
    interpreter = Interpreter(model_path=str(path))
    for size, asked in [((64, 96), 0.0), ((36, 52), 0.3), ((4, 4), 0.6), ((4, 160), 0.0)]:
        image = image_of(dark_photos[0], size)
        feeds = {
            "image": image,
            "thumbnail": np.asarray(tiny_model.thumbnail(image)),
            "brightness": np.full((1, 1), asked, np.float32),
        }
        expected = tiny_model(*feeds.values())
        compiled.resize_input_tensor_by_name(SIGNATURE, "image", image.shape)
        inputs = {name: compiled.create_input_buffer_by_name(SIGNATURE, name) for name in feeds}
        outputs = {
            name: compiled.create_output_buffer_by_name(SIGNATURE, name)
            for name in ("enhanced", "brightness")
        }
        for name, value in feeds.items():
            inputs[name].write(value)
        compiled.run_by_name(SIGNATURE, inputs, outputs)
        number = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(number, image.shape, strict=True)
        interpreter.allocate_tensors()
        results = interpreter.get_signature_runner()(**feeds)
        for name, buffer in outputs.items():
            np.testing.assert_allclose(
                buffer.read(results[name].size, np.float32), results[name].ravel(), atol=1e-5
            )
            if precision != "dynamic_range":
                bound = BOUNDS[precision].max_error
                np.testing.assert_allclose(results[name], expected[name], atol=bound)


def test_8_bits_of_a_whole_photo(tiny_model, dark_photos, samples, tmp_path):
    path = tmp_path / "photo.tflite"
    export_tflite(tiny_model, path, precision="int8", size=SIZE, flavour="whole", name="tiny",
                  calibration=samples)  # fmt: skip
    image = image_of(dark_photos[0], SIZE)
    result = load_driver(path).run(image)["enhanced"]
    assert psnr_between(result, np.asarray(tiny_model(image)["enhanced"])) >= 34


def test_8_bits_of_a_network_of_one_step(dark_photos, samples, tmp_path):
    model = DRGN(preset("tiny", two_step=False, scales=1))
    model.build()
    path = tmp_path / "one_step.tflite"
    export_tflite(model, path, precision="int8", size=SIZE, flavour="tiled", name="tiny",
                  calibration=samples)  # fmt: skip
    image = image_of(dark_photos[0], SIZE)
    thumbnail = photo_thumbnail(dark_photos[0], model.options.thumbnail_size)
    result = load_driver(path).run(image, thumbnail)["enhanced"]
    assert psnr_between(result, np.asarray(model(image, thumbnail)["enhanced"])) >= 34


def test_8_bits_leave_nothing_to_slow_kernels(files):
    model = unpacked(files["int8"].read_bytes())
    (subgraph,) = model.subgraphs
    in_bytes = collections.Counter(
        operator_name(model, operator)
        for operator in subgraph.operators
        if subgraph.tensors[operator.outputs[0]].type == schema.TensorType.INT8
    )
    assert in_bytes["CONV_2D"] == 10 and in_bytes["ADD"] >= 10
    assert not {"PRELU", "RELU", "AVERAGE_POOL_2D", "LOGISTIC"} & set(in_bytes)
    kernels = [subgraph.tensors[op.inputs[1]] for op in subgraph.operators
               if operator_name(model, op) == "CONV_2D"]  # fmt: skip
    floats = [kernel for kernel in kernels if kernel.type == schema.TensorType.FLOAT32]
    # Three of the context and the first two of the degradation; the others are 1x1.
    assert sum(kernel.shape[1] == 3 for kernel in floats) == 5
    # XNNPACK takes all, as one: it adds a single node.
    interpreter = Interpreter(model_path=str(files["int8"]))
    interpreter.allocate_tensors()
    assert len(interpreter._get_ops_details()) == len(subgraph.operators) + 1


def test_integer_files_compute_all_pixels_in_integers(files):
    model = unpacked(files["integer"].read_bytes())
    (subgraph,) = model.subgraphs
    image = int(subgraph.inputs[0])
    of_pixels, convolutions = {image}, 0
    for operator in subgraph.operators:
        if of_pixels.isdisjoint(int(i) for i in operator.inputs):
            continue
        of_pixels.add(int(operator.outputs[0]))
        types = {type_name(subgraph.tensors[i]) for i in (*operator.inputs, *operator.outputs)}
        assert types <= {"UINT8", "INT8", "INT16", "INT32", "INT64"}
        if operator_name(model, operator) == "CONV_2D":
            convolutions += 1
            assert type_name(subgraph.tensors[operator.inputs[1]]) == "INT8"
    assert int(subgraph.outputs[0]) in of_pixels
    assert convolutions == 38
    # Accelerators read no scale that the operators do not agree on.
    for operator in subgraph.operators:
        if operator_name(model, operator) in ("AVERAGE_POOL_2D", "TRANSPOSE", "RESHAPE"):
            source, result = (subgraph.tensors[i[0]] for i in (operator.inputs, operator.outputs))
            if type_name(source) != "FLOAT32":
                assert list(source.quantization.scale) == list(result.quantization.scale)


def test_integers_of_a_network_without_brightness(plain_model, dark_photos, samples, tmp_path):
    path = tmp_path / "plain.tflite"
    export_tflite(plain_model, path, precision="integer", size=SIZE, flavour="tiled",
                  name="tiny", calibration=samples)  # fmt: skip
    image = image_of(dark_photos[0], SIZE)
    thumbnail = photo_thumbnail(dark_photos[0], plain_model.options.thumbnail_size)
    result = load_driver(path).run(image, thumbnail)["enhanced"]
    assert psnr_between(result, np.asarray(plain_model(image, thumbnail)["enhanced"])) >= 40


@pytest.mark.parametrize("size", [SIZE, None])
def test_the_first_look_at_a_dark_photo_has_float_weights(tflite_file, size):
    model = unpacked(tflite_file("dynamic_range", size=size).read_bytes())
    (subgraph,) = model.subgraphs
    in_float, in_bytes = [], []
    for operator in subgraph.operators:
        if operator_name(model, operator) == "CONV_2D":
            kernel = subgraph.tensors[operator.inputs[1]]
            name = text(subgraph.tensors[operator.outputs[0]].name)
            is_float = kernel.type == schema.TensorType.FLOAT32
            (in_float if is_float else in_bytes).append((name, kernel.shape[1]))
    looks = [name for name, side in in_float if side == 3 and "context" not in name]
    assert len(looks) == 2 and all("degradation_generator" in name for name in looks)
    assert len(in_bytes) > 20 and not any("context" in name for name, _ in in_bytes)


def test_8_bit_kernels_treat_even_areas_as_before():
    kernel = np.random.default_rng(0).normal(size=(5, 3, 3, 7)).astype(np.float32)
    kernel[1] = 0
    kernel[2, :, :, 3] = 0.25 * kernel[2].max()
    levels, scales = byte_kernel(kernel)
    assert levels.dtype == np.int8 and levels.min() >= -127
    scales = scales[:, np.newaxis, np.newaxis, np.newaxis]
    errors = (levels * scales - kernel) / scales
    # Each weight is at one of the two steps beside it; the 9 together are off by half a step.
    assert np.abs(errors).max() < 1 + 1e-4
    assert np.abs(errors.sum((1, 2))).max() <= 0.5 + 1e-4
    assert not levels[1].any()
    single, _ = byte_kernel(kernel[:, :1, :1])
    nearest = np.round(
        kernel[:, :1, :1]
        * 127
        / np.maximum(np.abs(kernel[:, :1, :1]).max((1, 2, 3), keepdims=True), 1e-9)
    )
    np.testing.assert_array_equal(single, nearest)


def test_calibrated_on_black_alone_bytes_are_still_read_right(tiny_model, samples, tmp_path):
    black = [dataclasses.replace(sample, image=sample.image // 20) for sample in samples]
    path = tmp_path / "black.tflite"
    export_tflite(tiny_model, path, precision="int8", size=SIZE, flavour="tiled", name="tiny",
                  calibration=black)  # fmt: skip
    detail = Interpreter(model_path=str(path)).get_input_details()[0]
    assert detail["quantization"] == (pytest.approx(1 / 255, rel=1e-7), 0)


def test_a_range_that_is_not_pinned_is_refused(tiny_model, samples, tmp_path, monkeypatch):
    with_ranges = calibrating.with_ranges

    def of_the_dark(content, ranges):
        (image, *_) = content.subgraphs[0].inputs
        return with_ranges(content, {**ranges, int(image): (0.0, 0.3)})

    monkeypatch.setattr(calibrating, "with_ranges", of_the_dark)
    path = tmp_path / "dark.tflite"
    with pytest.raises(UserError, match="would be read wrong"):
        export_tflite(tiny_model, path, precision="int16x8", size=SIZE, flavour="tiled",
                      name="tiny", calibration=samples)  # fmt: skip
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int4"}, "unknown precision 'int4'; choose one of: float32"),
        ({"flavour": "tile"}, "unknown flavour 'tile'.*: whole, whole_brightness, tiled"),
        ({"size": (0, 64)}, "size must be positive, not 64x0"),
        ({"precision": "int8", "size": None}, "int8 needs a fixed size"),
        ({"precision": "int16x8"}, "int16x8 needs calibration samples"),
        ({"precision": "integer", "flavour": "whole"}, "choose the flavour tiled"),
    ],
)
def test_arguments_that_do_not_go_together(tiny_model, tmp_path, arguments, message):
    settings = {
        "precision": "float32",
        "size": SIZE,
        "flavour": "tiled",
        "name": "tiny",
        **arguments,
    }
    with pytest.raises(UserError, match=message):
        export_tflite(tiny_model, tmp_path / "x.tflite", **settings)


def test_calibration_of_another_size_is_refused(tiny_model, samples, tmp_path):
    with pytest.raises(UserError, match="calibration samples are 96x64"):
        export_tflite(tiny_model, tmp_path / "x.tflite", precision="int8", size=(32, 32),
                      flavour="tiled", name="tiny", calibration=samples)  # fmt: skip


def test_private_names_of_tensorflow():
    """8 and 16 bits need them; if this fails, `exports/tflite.py` needs another way to quantise.

    Both are internal to TensorFlow, and pinned with it in requirements.txt.
    """
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    # To leave parts in float, and to take ranges that are in the file already.
    taken = inspect.signature(mlir_quantize).parameters
    assert {"input_data_str", "denylisted_nodes"} <= taken.keys()
    taken = inspect.signature(Calibrator.calibrate_and_quantize).parameters
    assert {"dataset_gen", "allow_float", "activations_type", "bias_type"} <= taken.keys()
