"""The check of what a phone's GPU would not take."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.exports.gpu_delegate import gpu_fallbacks
from drgn_tf.exports.tflite import export_tflite
from drgn_tf.exports.tflite_inspection import operators, quantisation
from drgn_tf.models import DRGN, preset


@pytest.fixture(scope="module")
def mobile() -> DRGN:
    model = DRGN(preset("mobile"))
    model.build()
    return model


@pytest.mark.parametrize(
    ("precision", "size", "flavour"),
    [
        ("float32", (128, 128), "tiled"),
        ("float16", (90, 71), "whole"),
    ],
)
def test_the_mobile_network_runs_on_the_gpu_as_a_whole(mobile, tmp_path, precision, size, flavour):
    path = tmp_path / "mobile.tflite"
    export_tflite(mobile, path, precision=precision, size=size, flavour=flavour, name="mobile")
    assert gpu_fallbacks(path) == []
    assert quantisation(path) == {}
    assert operators(path)["CONV_2D"] > 50


def test_a_file_of_any_size_does_not(tflite_file):
    fallbacks = gpu_fallbacks(tflite_file("float16", size=None))
    assert any(line.startswith("CONV_2D") and "not known before" in line for line in fallbacks)


def test_results_of_16_bits_do_not(tflite_file):
    assert any("computes in INT16" in line for line in gpu_fallbacks(tflite_file("int16x8")))


def test_a_file_of_8_bits_does(tflite_file):
    path = tflite_file("int8")
    assert gpu_fallbacks(path) == []
    assert set(quantisation(path)) == {"image", "enhanced"}


def converted(function, *shapes, path):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    return path


@pytest.mark.parametrize(
    ("function", "shapes", "reason"),
    [
        (lambda x: tf.gather_nd(x, [[0, 1]]), [(1, 4, 4, 3)], "GATHER_ND"),
        (lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"), [(1, 4, 4, 3)],
         "repeats the edge"),
        (lambda x: tf.nn.relu(x), [(2, 4, 4, 3)], "a batch other than 1"),
        (lambda x, y: x * y, [(1, 4, 1, 3), (1, 1, 4, 3)], "do not broadcast"),
        (lambda x: tf.transpose(tf.reshape(x, [1, 2, 2, 2, 2, 3]), [0, 1, 3, 2, 4, 5]),
         [(1, 4, 4, 3)], "more than four dimensions"),
    ],
)  # fmt: skip
def test_what_is_named(function, shapes, reason, tmp_path):
    path = converted(function, *shapes, path=tmp_path / "other.tflite")
    assert any(reason in line for line in gpu_fallbacks(path))


def test_weights_may_have_any_shape(tmp_path):
    weights = np.ones((4, 4, 2, 3), np.float32)
    path = converted(
        lambda x: tf.nn.conv2d(x, tf.transpose(weights, [0, 1, 2, 3]), 1, "SAME"),
        (1, 8, 8, 2),
        path=tmp_path / "convolution.tflite",
    )
    assert gpu_fallbacks(path) == []
