"""From a trained network to `.tflite` files for Android.

    trace      a plain TensorFlow module that calls the network, at a batch of one
    convert    by TensorFlow's converter, from a SavedModel of that module
    quantise   8 and 16 bits: by ranges that `calibration` has found
    name       tensors and metadata
    check      builtin operators only, and the scales of what goes in and out

Two flavours. `tile`: an image and the thumbnail of the photo that it is a part of;
`photo`: an image, which is a whole photo. Both give "enhanced".

Precisions:

    float32        the network as it is
    float16        weights in half precision; computes as the runtime likes (GPUs: in half)
    dynamic_range  weights of 8 bits, the rest float32
    int8           weights and images of 8 bits. `image` and `enhanced` are uint8 with scale
                   1/255 and zero point 0: the bytes of a bitmap as they are.
    int16x8        weights of 8 bits, intermediate results of 16. `image` and `enhanced` are
                   float32: no camera gives 16 bits with sign, and so the file is used like the
                   float ones.

A file of 8 bits has four traps.

Calibrated on dark photos, its input would have a scale of a tenth of 1/255, and a
camera's bytes would be read ten times too dark. Here bytes become floats and floats
bytes at either end, by a scale of exactly 1/255, which is checked.

What the thumbnail says becomes the brightness of the whole result: the context and the
vectors of the channel attention, some thousand multiplications, stay float32.

The degradation is what is taken off the darkest values before all that is left is
made ten to twenty times brighter. With results of 8 bits its error is a visible change
of brightness in the darkest photos: one of 13 real ones was 24.9 dB from float.

And runtimes have fast kernels of 8 bits for some operators only. XNNPACK has none for
PReLU, average pooling and ReLU by itself: each of these went to a slow kernel, and split
the network into parts with copies between them.

So intermediate results have 8 bits where most of the refinement is, on the 1/4 grid
between its first and its last convolutions. Everywhere else they are float32, and only
the weights have 8 bits (as in "dynamic_range"). On the trained mobile network this halves
the time of "float32" on a CPU with XNNPACK, in one part. The whole refinement in 8 bits
and the rest in float took longer than "float32".

The 16-bit quantiser has no PReLU and no operators between space and depth; these compute
in float32, between conversions.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.optimize.calibrator import Calibrator

from drgn_tf.exports import calibration as calibrating
from drgn_tf.exports.calibration import CalibrationSample
from drgn_tf.exports.gpu_delegate import operator_name
from drgn_tf.exports.tflite_metadata import TensorDescription, attach, packed, text, unpacked
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN
from drgn_tf.models.options import GRID_FACTOR

PRECISIONS = ("float32", "float16", "dynamic_range", "int8", "int16x8")
SIGNATURE = "serving_default"
_CALIBRATED = ("int8", "int16x8")


class TFLiteExportError(ValueError):
    """A file cannot be made. The message says why and what to do."""


class _Serving(tf.Module):
    """The network with the signature of the file."""

    def __init__(self, model: DRGN, size: tuple[int, int] | None, tile: bool):
        super().__init__()
        # TensorFlow does not find the variables inside a Keras model.
        self.kept = [variable.value for variable in model.variables]
        specs = [tf.TensorSpec([1, *(size or (None, None)), 3], name="image")]
        if tile:
            side = model.options.thumbnail_size
            specs.append(tf.TensorSpec([1, side, side, 3], name="thumbnail"))

        def serve(image, thumbnail=None):
            return {"enhanced": model(image, thumbnail)["enhanced"]}

        self.serve = tf.function(serve, input_signature=specs)


def export_tflite(
    model: DRGN,
    path: pathlib.Path,
    *,
    precision: str,
    size: tuple[int, int] | None,
    tile: bool,
    name: str,
    calibration: Sequence[CalibrationSample] = (),
) -> None:
    """Writes a `.tflite` file.

    Args:
      model: the trained network.
      path: of the file; its folder exists.
      precision: of `PRECISIONS`.
      size: height and width of the image in pixels, which GPUs and NPUs need to know; or None
        for a file that takes any, on the CPU.
      tile: whether the file takes the thumbnail, or makes it of the image.
      name: of the network, for the metadata.
      calibration: low-light samples of `size`; needed by "int8" and "int16x8".

    Raises:
      TFLiteExportError: the arguments do not go together, or the converter did not do what it
        was asked for.
      drgn_tf.files.NotWrittenError: the file cannot be written.
    """
    _check_arguments(precision, size, calibration)
    data = _converted(model, precision, size, tile)
    if precision == "int8":
        content = unpacked(_quantised_int8(data, calibration))
        _with_byte_weights(content)
        _with_byte_images(content)
    elif precision == "int16x8":
        content = unpacked(_quantised_int16x8(data, calibration))
    else:
        content = unpacked(data)
    _name_tensors(content)
    _describe(content, name, size)
    _check_content(content, precision)
    with atomic_path(path) as beside:
        beside.write_bytes(packed(content))


def _check_arguments(precision, size, calibration) -> None:
    if precision not in PRECISIONS:
        raise TFLiteExportError(
            f"unknown precision '{precision}'; choose one of: {', '.join(PRECISIONS)}."
        )
    if size is not None and min(size) < 1:
        raise TFLiteExportError(f"size must be positive, not {size[1]}x{size[0]}.")
    if precision not in _CALIBRATED:
        return
    if size is None:
        raise TFLiteExportError(
            f"{precision} needs a fixed size; give one, or choose float32, float16 or "
            "dynamic_range for a file that takes any."
        )
    if not calibration:
        raise TFLiteExportError(f"{precision} needs calibration samples; give some.")
    for sample in calibration:
        if sample.image.shape[:2] != tuple(size):
            raise TFLiteExportError(
                f"calibration samples are {sample.image.shape[1]}x{sample.image.shape[0]}, the "
                f"file is to be {size[1]}x{size[0]}; cut them to that."
            )


def _converted(model: DRGN, precision: str, size, tile: bool) -> bytes:
    module = _Serving(model, size, tile)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={SIGNATURE: module.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if precision in ("float16", "dynamic_range"):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _quantised_int8(data: bytes, samples: Sequence[CalibrationSample]) -> bytes:
    """Returns the file in 8 bits, with float32 images."""
    model = unpacked(data)
    subgraph = model.subgraphs[0]
    ranges = calibrating.observed_ranges(data, samples)
    skipped = {text(subgraph.tensors[number].name) for number in _float_tensors(model)}
    return mlir_quantize(packed(calibrating.with_ranges(data, ranges)), denylisted_nodes=skipped)


def _quantised_int16x8(data: bytes, samples: Sequence[CalibrationSample]) -> bytes:
    """Returns the file with results of 16 bits, with float32 images."""
    subgraph = unpacked(data).subgraphs[0]
    # 16 bits have steps to spare, and photos brighter than the samples are then right too.
    ranges = {
        number: (4 * least, 4 * greatest)
        for number, (least, greatest) in calibrating.observed_ranges(data, samples).items()
    }
    for number in (*subgraph.inputs, *subgraph.outputs):
        ranges[int(number)] = (0.0, 1.0)
    quantiser = Calibrator(packed(calibrating.with_ranges(data, ranges)))
    # Nothing is fed: it then takes the ranges that are in the file.
    return quantiser.calibrate_and_quantize(
        lambda: iter(()),
        tf.float32,
        tf.float32,
        allow_float=True,
        activations_type=tf.int16,
        bias_type=tf.int64,
    )


def _float_tensors(model: schema.ModelT) -> set[int]:
    """Returns what stays float32 in a file of 8 bits; see the module."""
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
    """Returns the tensors that the thumbnail is made through, and all that is made of it alone."""
    subgraph = model.subgraphs[0]
    first = next(op for op in subgraph.operators if "context_encoder" in _output_name(model, op))
    thumbnail = int(first.inputs[0])
    found = _sources(model, thumbnail) | {thumbnail}
    varying = {int(i) for i in subgraph.inputs} | set(calibrating.outputs_of(subgraph))
    for operator in subgraph.operators:
        if found.issuperset(varying.intersection(int(i) for i in operator.inputs)):
            found.add(int(operator.outputs[0]))
    return found - {int(i) for i in subgraph.inputs}


def _base_tensors(model: schema.ModelT) -> set[int]:
    """Returns the base I_B and the tensors that it is made through."""
    subgraph = model.subgraphs[0]
    first = next(
        op for op in subgraph.operators if "/refinement_generator" in _output_name(model, op)
    )
    base = int(first.inputs[0])
    return (_sources(model, base) | {base}) - {int(i) for i in subgraph.inputs}


def _output_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    return text(model.subgraphs[0].tensors[operator.outputs[0]].name)


def _sources(model: schema.ModelT, number: int) -> set[int]:
    """Returns the tensors, other than inputs, that a tensor is made of."""
    producers = {int(op.outputs[0]): op for op in model.subgraphs[0].operators}
    found: set[int] = set()
    waiting = [number]
    while waiting:
        if producer := producers.get(waiting.pop()):
            new = {int(i) for i in producer.inputs if int(i) in producers} - found
            found |= new
            waiting += new
    return found


def _with_byte_weights(model: schema.ModelT) -> None:
    """Gives weights of 8 bits to the convolutions of images and maps that stay float32."""
    subgraph = model.subgraphs[0]
    replaced = set()
    for operator in subgraph.operators:
        if operator_name(model, operator) != "CONV_2D":
            continue
        source, kernel = (subgraph.tensors[i] for i in operator.inputs[:2])
        of_context = "context_encoder" in _output_name(model, operator)
        if of_context or max(source.shape[1:3]) == 1:
            continue
        if not (calibrating.is_float(source) and calibrating.is_float(kernel)):
            continue
        data = bytes(bytearray(model.buffers[kernel.buffer].data))
        values = np.frombuffer(data, np.float32).reshape(kernel.shape)
        # Of weights that are all 0 any scale is right.
        scales = np.maximum(np.abs(values).max((1, 2, 3)), 1e-12) / 127
        levels = np.round(values / scales[:, np.newaxis, np.newaxis, np.newaxis])
        # Equal weights of several layers may lie in one buffer.
        replaced.add(kernel.buffer)
        kernel.buffer = len(model.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(levels.astype(np.int8).tobytes(), np.uint8)
        model.buffers.append(buffer)
        kernel.type = schema.TensorType.INT8
        kernel.quantization = schema.QuantizationParametersT()
        kernel.quantization.scale = scales.tolist()
        kernel.quantization.zeroPoint = [0] * len(scales)
        # Version 5 has weights of 8 bits with a scale for each channel.
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, 5)
    for number in replaced - {tensor.buffer for tensor in subgraph.tensors}:
        model.buffers[number].data = None


def _with_byte_images(model: schema.ModelT) -> None:
    """Puts a uint8 image at either end, and the conversions from and to float32."""
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
    """Adds a float32 tensor of the shape of another; returns its number."""
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
    """Returns the index of an operator's code, which is added if it is new."""
    number = getattr(schema.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == number:
            # Version 2 has all kinds of 8 bits.
            code.version = max(code.version, 2)
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = number
    code.version = 2
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _name_tensors(model: schema.ModelT) -> None:
    tensors = model.subgraphs[0].tensors
    signature = model.signatureDefs[0]
    for entry in (*signature.inputs, *signature.outputs):
        tensors[entry.tensorIndex].name = text(entry.name)


def _describe(model: schema.ModelT, name: str, size: tuple[int, int] | None) -> None:
    subgraph = model.subgraphs[0]
    height, width = size or (0, 0)

    def described(number: int, description: str, height: int, width: int, normalised: bool):
        tensor = subgraph.tensors[number]
        largest = 255.0 if tensor.type == schema.TensorType.UINT8 else 1.0
        return TensorDescription(text(tensor.name), description, width, height, largest, normalised)

    inputs = [described(subgraph.inputs[0], "Low-light photo, or a tile of one.", height, width,
                        True)]  # fmt: skip
    for number in subgraph.inputs[1:]:
        side = int(subgraph.tensors[number].shape[1])
        what = "The whole photo: averages of 4x4 pixels, sampled bilinearly."
        inputs.append(described(number, what, side, side, True))
    enhanced = described(subgraph.outputs[0], "The enhanced photo.", height, width, False)
    attach(model, name, "Enhances low-light photos (DRGN).", inputs, [enhanced])


def _check_content(model: schema.ModelT, precision: str) -> None:
    foreign = [text(code.customCode) for code in model.operatorCodes if code.customCode is not None]
    if foreign:
        raise TFLiteExportError(f"the converter used other than builtin operators: {foreign}.")
    subgraph = model.subgraphs[0]
    if precision == "int8":
        image, enhanced = int(subgraph.inputs[0]), int(subgraph.outputs[0])
        _check_scales(subgraph, [image, enhanced], schema.TensorType.UINT8, 1 / 255, 0)
        types = {subgraph.tensors[op.outputs[0]].type for op in subgraph.operators}
        if schema.TensorType.INT8 not in types:
            raise TFLiteExportError("the quantiser left all in float; report this as a bug.")
    if precision == "int16x8":
        inner = [op.outputs[0] for op in subgraph.operators if subgraph.inputs[0] in op.inputs]
        inner = [n for n in inner if subgraph.tensors[n].type == schema.TensorType.INT16]
        _check_scales(subgraph, inner, schema.TensorType.INT16, 1 / 32767, 0)


def _check_scales(subgraph, numbers, kind: int, scale: float, zero_point: int) -> None:
    if not len(numbers):
        raise TFLiteExportError("the quantiser left the image in float; report this as a bug.")
    for number in numbers:
        tensor = subgraph.tensors[number]
        found = tensor.quantization
        exact = (
            found is not None
            and tensor.type == kind
            and np.float32(found.scale[0]) == np.float32(scale)
            and found.zeroPoint[0] == zero_point
        )
        if not exact:
            raise TFLiteExportError(
                f"{text(tensor.name)}: was not given the scale {scale:.7f} and the zero point "
                f"{zero_point}; bytes would be read wrong."
            )
