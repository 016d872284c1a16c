"""The yardstick: the speed of one large 3x3 convolution on this machine and runtime.

All measurements are compared with its multiply-accumulates (MAC) per second, at the network's
width and with the same number of threads. It is float32 in every runtime, even where the
measured artefact computes in 8 bits.

Its image of 256x256 is that of a photo of one megapixel on the 1/4 grid, where most of the
network is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

_SIDE = 256


@dataclasses.dataclass(frozen=True)
class Yardstick:
    """A convolution, ready to run.

    Attributes:
      run: computes it once.
      macs: multiply-accumulates of a run.
    """

    run: Callable[[], object]
    macs: int

    def rate(self, seconds: float) -> float:
        """Returns MAC per second, given the seconds of `run`."""
        return self.macs / seconds


def yardstick(kind: str, width: int, threads: int | None = None) -> Yardstick:
    """Creates the convolution for a runtime.

    Args:
      kind: of a driver: "keras" and "saved_model" (both TensorFlow), "tflite" or "onnx".
      width: channels in and out.
      threads: number of compute threads, by default the runtime's choice. TensorFlow takes it
        from `tf.config.threading` instead.
    """
    generator = np.random.default_rng(0)
    image = generator.uniform(size=(1, _SIDE, _SIDE, width)).astype(np.float32)
    kernel = generator.normal(size=(3, 3, width, width)).astype(np.float32)
    if kind == "tflite":
        run = _tflite(image, kernel, threads)
    elif kind == "onnx":
        run = _onnx(image, kernel, threads)
    else:
        run = _tensorflow(image, kernel)
    return Yardstick(run, image.size * kernel[..., 0].size)


def _tensorflow(image: np.ndarray, kernel: np.ndarray) -> Callable[[], object]:
    import tensorflow as tf

    image, kernel = tf.constant(image), tf.constant(kernel)
    convolve = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME")[0, 0, 0, 0])
    # A GPU has finished only when its result has been copied.
    return lambda: convolve().numpy()


def _tflite(image: np.ndarray, kernel: np.ndarray, threads: int | None) -> Callable[[], object]:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    convolve = tf.function(
        lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"),
        input_signature=[tf.TensorSpec(image.shape, tf.float32)],
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [convolve.get_concrete_function()], tf.Module()
    )
    interpreter = Interpreter(model_content=converter.convert(), num_threads=threads)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    return interpreter.invoke


def _onnx(image: np.ndarray, kernel: np.ndarray, threads: int | None) -> Callable[[], object]:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    image = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "kernel"], ["result"], pads=[1, 1, 1, 1])],
        "yardstick",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image.shape)],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, image.shape)],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    binding.bind_cpu_input("image", image)
    binding.bind_output("result")
    return lambda: session.run_with_iobinding(binding)
