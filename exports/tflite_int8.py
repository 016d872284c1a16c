"""8-bit files: which parts of the network stay float, and uint8 inputs and outputs.

Quantising this network to 8 bits has four pitfalls.

Calibrated on dark photos, the input would get a scale of a tenth of 1/255, and a camera's
bytes would be read ten times too dark. Here the image is converted from and to bytes with a
scale of exactly 1/255, which is checked.

What the thumbnail says, and the brightness asked for, decide on the whole result: the context
and the vectors of the channel attention, some thousand multiplications, stay float32.

The degradation is subtracted from the darkest values, and the difference is then amplified
ten to twenty times. With 8-bit activations its error visibly changes the brightness of the
darkest photos: one of 13 real ones was 24.9 dB from float.

Runtimes have fast 8-bit kernels for some operators only. XNNPACK has none for PReLU, average
pooling and a separate ReLU: each of them used a slow kernel and split the network into
partitions with copies between them.

So only the largest part of the refinement has 8-bit activations: the 1/4 grid between its
first and last convolutions. Elsewhere activations are float32, and only the weights have 8
bits (as in "dynamic_range"). XNNPACK takes all of it in one partition. It takes half of the time of
"float32" on CPUs with dot products of bytes (VNNI), and a tenth more than it on others. With 8-bit
activations in the whole refinement and float elsewhere, it took longer than "float32".
"""

from __future__ import annotations

import re

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from drgn_tf.exports import calibration as calibrating
from drgn_tf.exports.tflite_inspection import operator_name
from drgn_tf.exports.tflite_metadata import text
from drgn_tf.models.options import GRID_FACTOR

_FLOAT_WEIGHTS = re.compile(
    r"context_encoder|degradation_generator[^;]*/branch_0[^;]*/(half_)?stem"
)


def float_tensors(model: schema.ModelT) -> set[int]:
    """Returns the indices of the tensors that stay float32 in an 8-bit file; see the module."""
    subgraph = model.subgraphs[0]
    height, width = (int(side) for side in subgraph.tensors[subgraph.inputs[0]].shape[1:3])
    grid = (-(-height // GRID_FACTOR), -(-width // GRID_FACTOR))
    found = _thumbnail_tensors(model) | _base_tensors(model)
    for operator in subgraph.operators:
        source, result = (subgraph.tensors[i[0]].shape for i in (operator.inputs, operator.outputs))
        if tuple(result[1:3]) != grid or 3 in (source[-1], result[-1]):
            found.add(int(operator.outputs[0]))
        if operator_name(model, operator) == "PRELU":
            found |= {int(operator.inputs[0]), int(operator.outputs[0])}
    return found


def _thumbnail_tensors(model: schema.ModelT) -> set[int]:
    """Returns what the thumbnail is made through, and what is made of it and brightness alone."""
    subgraph = model.subgraphs[0]
    first = next(op for op in subgraph.operators if "context_encoder" in _output_name(model, op))
    thumbnail = int(first.inputs[0])
    found = _sources(model, thumbnail) | {thumbnail}
    found |= {int(i) for i in subgraph.inputs if text(subgraph.tensors[i].name) == "brightness"}
    varying = {int(i) for i in subgraph.inputs} | set(calibrating.outputs_of(subgraph))
    for operator in subgraph.operators:
        if found.issuperset(varying.intersection(int(i) for i in operator.inputs)):
            found.add(int(operator.outputs[0]))
    return found - {int(i) for i in subgraph.inputs}


def _base_tensors(model: schema.ModelT) -> set[int]:
    """Returns the base I_B and the tensors that it is computed from."""
    subgraph = model.subgraphs[0]
    first = next(
        op for op in subgraph.operators if "/refinement_generator" in _output_name(model, op)
    )
    base = int(first.inputs[0])
    return (_sources(model, base) | {base}) - {int(i) for i in subgraph.inputs}


def _output_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    return text(model.subgraphs[0].tensors[operator.outputs[0]].name)


def _sources(model: schema.ModelT, number: int) -> set[int]:
    """Returns the tensors, other than inputs, that a tensor is computed from."""
    producers = {int(op.outputs[0]): op for op in model.subgraphs[0].operators}
    found: set[int] = set()
    waiting = [number]
    while waiting:
        if producer := producers.get(waiting.pop()):
            new = {int(i) for i in producer.inputs if int(i) in producers} - found
            found |= new
            waiting += new
    return found


def with_byte_weights(model: schema.ModelT) -> None:
    """Gives weights of 8 bits to the convolutions of images and maps that stay float32.

    Runtimes then round what goes into these to 8 bits, by its least and greatest value. A lamp in
    a dark photo takes all the steps: so the context, and the first two convolutions of the
    degradation on the full image, keep float weights, for 12 kB of `mobile`. That raised the worst
    of 12 photos, whose mean is 6 of 255, from 39.4 to 45.2 dB at 512x512.
    """
    subgraph = model.subgraphs[0]
    replaced = set()
    for operator in subgraph.operators:
        if operator_name(model, operator) != "CONV_2D":
            continue
        source, kernel = (subgraph.tensors[i] for i in operator.inputs[:2])
        # In files of any size the shape holds a 1 in place of what may vary.
        known = source.shape if source.shapeSignature is None else source.shapeSignature
        of_vector = list(known[1:3]) == [1, 1]
        if of_vector or _FLOAT_WEIGHTS.search(_output_name(model, operator)):
            continue
        if not (calibrating.is_float(source) and calibrating.is_float(kernel)):
            continue
        data = bytes(bytearray(model.buffers[kernel.buffer].data))
        values = np.frombuffer(data, np.float32).reshape(kernel.shape)
        levels, scales = byte_kernel(values)
        # Layers with equal weights may share a buffer.
        replaced.add(kernel.buffer)
        kernel.buffer = len(model.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(levels.tobytes(), np.uint8)
        model.buffers.append(buffer)
        kernel.type = schema.TensorType.INT8
        kernel.quantization = schema.QuantizationParametersT()
        kernel.quantization.scale = scales.tolist()
        kernel.quantization.zeroPoint = [0] * len(scales)
        # Version 5 supports 8-bit weights with a scale per channel.
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, 5)
    for number in replaced - {tensor.buffer for tensor in subgraph.tensors}:
        model.buffers[number].data = None


def byte_kernel(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds the kernel of a convolution to 8 bits so that it treats even areas as before.

    In dark photos neighbouring pixels hardly differ, and rounding errors of the 9 weights that see
    them add up to a shift of the whole image. So of each kernel of 3x3 the weights that are
    furthest from a step are rounded the other way until the errors of the 9 cancel, up to half a
    step. Of `base`, rounded to the nearest, one photo was 0.7 levels too dark and 49 dB from float;
    this way it is 0.25 and 57.

    Args:
      kernel: float32 [C_out, K, K, C_in].

    Returns:
      levels, int8 of the same shape, and scales, float64 [C_out].
    """
    # For weights that are all 0 any scale is correct.
    scales = np.maximum(np.abs(kernel).max((1, 2, 3)), 1e-12).astype(np.float64) / 127
    outputs, side, _, inputs = kernel.shape
    steps = (kernel / scales[:, np.newaxis, np.newaxis, np.newaxis]).transpose(0, 3, 1, 2)
    steps = steps.reshape(outputs, inputs, side * side)
    levels = np.round(steps)
    missing = np.round((steps - levels).sum(-1, keepdims=True))
    towards = (levels - steps) * np.sign(missing)
    rank = towards.argsort(-1, kind="stable").argsort(-1, kind="stable")
    levels += np.sign(missing) * (rank < np.abs(missing))
    levels = levels.reshape(outputs, inputs, side, side).transpose(0, 2, 3, 1)
    return np.clip(levels, -127, 127).astype(np.int8), scales


def with_byte_images(model: schema.ModelT) -> None:
    """Makes the input and the output image uint8, and adds the conversions from and to float32."""
    subgraph = model.subgraphs[0]
    image, enhanced = int(subgraph.inputs[0]), int(subgraph.outputs[0])
    copies = [_add_float_copy(subgraph, number) for number in (image, enhanced)]
    for operator in subgraph.operators:
        operator.inputs = [copies[0] if int(i) == image else int(i) for i in operator.inputs]
        operator.outputs = [copies[1] if int(i) == enhanced else int(i) for i in operator.outputs]
    first = _conversion(model, "DEQUANTIZE", image, copies[0])
    last = _conversion(model, "QUANTIZE", copies[1], enhanced)
    subgraph.operators = [first, *subgraph.operators, last]
    for number in (image, enhanced):
        tensor = subgraph.tensors[number]
        tensor.type = schema.TensorType.UINT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [1 / 255]
        tensor.quantization.zeroPoint = [0]


def _add_float_copy(subgraph: schema.SubGraphT, number: int) -> int:
    """Adds a float32 tensor with the shape of another; returns its index."""
    copy = schema.TensorT()
    copy.name = f"{text(subgraph.tensors[number].name)}_float"
    copy.shape = subgraph.tensors[number].shape
    copy.type = schema.TensorType.FLOAT32
    copy.buffer = 0
    subgraph.tensors.append(copy)
    return len(subgraph.tensors) - 1


def _conversion(model: schema.ModelT, name: str, source: int, result: int) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = _operator_code(model, name)
    operator.inputs, operator.outputs = [source], [result]
    return operator


def _operator_code(model: schema.ModelT, name: str) -> int:
    """Returns the index of an operator's code, and adds the code if it is new."""
    number = getattr(schema.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == number:
            # Version 2 supports all 8-bit types.
            code.version = max(code.version, 2)
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = number
    code.version = 2
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
