"""Finds the operators of a .tflite file that mobile GPU delegates do not support.

TensorFlow's analyzer calls every file compatible. This check reads the graph: its operators,
whether all shapes are known, and the delegates' constraints on ranks and broadcasting. The
list is conservative; some drivers support more. An operator that falls back also costs two
transfers of the image between GPU and CPU.
"""

from __future__ import annotations

import pathlib

from ai_edge_litert import schema_py_generated as schema

from drgn_tf.exports.tflite_inspection import operator_name, type_name
from drgn_tf.exports.tflite_metadata import text, unpacked

# Conservative: operators that the OpenGL and OpenCL delegates have had for years.
# fmt: off
SUPPORTED = frozenset((
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
    "DEPTH_TO_SPACE", "DEQUANTIZE", "DIV", "EXP", "FULLY_CONNECTED", "HARD_SWISH",
    "LEAKY_RELU", "LOG", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM",
    "MIRROR_PAD", "MUL", "PACK", "PAD", "POW", "PRELU", "QUANTIZE", "RELU", "RELU6",
    "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SLICE", "SOFTMAX",
    "SPACE_TO_DEPTH", "SPLIT", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB",
    "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
))
# fmt: on
_ELEMENTWISE = ("ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "POW", "SQUARED_DIFFERENCE", "SUB")


def gpu_fallbacks(path: pathlib.Path) -> list[str]:
    """Returns a line for each operator that a mobile GPU delegate would leave to the CPU.

    The line names the type, the output with its shape, and the reason. An empty list means
    that the GPU runs everything.
    """
    model = unpacked(path.read_bytes())
    lines = []
    for graph in model.subgraphs:
        weights = _weights(graph, model)
        for operator in graph.operators:
            name = operator_name(model, operator)
            reason = _reason(name, operator, graph, weights)
            if reason:
                output = graph.tensors[operator.outputs[0]]
                lines.append(f"{name} {_shown(text(output.name))} {_shape(output)}: {reason}")
    return lines


def _weights(graph: schema.SubGraphT, model: schema.ModelT) -> set[int]:
    """Returns the constant tensors of the file, including 16-bit weights once unpacked."""
    found = set()
    for index, tensor in enumerate(graph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data):
            found.add(index)
    for operator in graph.operators:
        if operator_name(model, operator) == "DEQUANTIZE" and operator.inputs[0] in found:
            found.add(operator.outputs[0])
    return found


def _reason(
    name: str, operator: schema.OperatorT, graph: schema.SubGraphT, weights: set[int]
) -> str | None:
    if operator.outputs[0] in weights:
        # Delegates read 16-bit weights directly.
        return None
    if name not in SUPPORTED:
        return "no such operator there"
    # -1 stands for an omitted optional input. Weights may have any shape.
    indices = [i for i in [*operator.inputs, *operator.outputs] if i >= 0 and i not in weights]
    tensors = [graph.tensors[i] for i in indices]
    shapes = [_shape(tensor) for tensor in tensors]
    if any(-1 in shape for shape in shapes):
        return "its shape is not known before it runs"
    if any(len(shape) > 4 for shape in shapes):
        return "more than four dimensions"
    if any(shape[:1] not in ([1], []) for shape in shapes):
        return "a batch other than 1"
    for tensor in tensors:
        if type_name(tensor) not in ("FLOAT32", "FLOAT16") and not _is_8_bit_quantised(tensor):
            return f"computes in {type_name(tensor)}"
    if name == "QUANTIZE" and type_name(tensors[0]) not in ("FLOAT32", "FLOAT16"):
        return "converts between integer types"
    if name in _ELEMENTWISE and not _broadcasts(operator, graph):
        return "shapes that do not broadcast from 1x1 or one channel"
    options = operator.builtinOptions
    if name == "STRIDED_SLICE" and (
        options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask
    ):
        return "slices that change the number of dimensions"
    if name == "MIRROR_PAD" and options.mode != schema.MirrorPadMode.REFLECT:
        return "mirror padding that repeats the edge"
    return None


def _is_8_bit_quantised(tensor) -> bool:
    scale = tensor.quantization.scale if tensor.quantization else None
    return type_name(tensor) in ("INT8", "UINT8") and scale is not None


def _broadcasts(operator, graph) -> bool:
    output = _shape(graph.tensors[operator.outputs[0]])
    return all(
        len(shape) <= 1
        or shape == output
        or shape in ([1, 1, 1, output[-1]], [*output[:-1], 1], [1, 1, 1, 1])
        for shape in (_shape(graph.tensors[i]) for i in operator.inputs)
    )


def _shape(tensor) -> list[int]:
    # The signature marks dimensions that may vary; the shape has a 1 there.
    signature = tensor.shapeSignature
    shape = tensor.shape if signature is None else signature
    return [] if shape is None else [int(side) for side in shape]


def _shown(name: str) -> str:
    # The name of a fused operator lists all its parts.
    return name.split(";")[0]
