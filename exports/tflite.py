"""From a trained network to `.tflite` files for Android.

    trace      a plain TensorFlow module that calls the network, at a batch of one
    convert    by TensorFlow's converter, from a SavedModel of that module
    quantise   8 and 16 bits: by ranges that `calibration` has found
    name       tensors and metadata
    check      builtin operators only, and the scales of what goes in and out

Two flavours. `tiled`: an image and the thumbnail of the photo that it is a part of;
`whole`: an image, which is a whole photo. Both give "enhanced".

Precisions:

    float32        the network as it is
    float16        weights in half precision; computes as the runtime likes (GPUs: in half)
    dynamic_range  weights of 8 bits, the rest float32
    int8           weights and images of 8 bits. `image` and `enhanced` are uint8 with scale
                   1/255 and zero point 0: the bytes of a bitmap as they are.
    int16x8        weights of 8 bits, intermediate results of 16. `image` and `enhanced` are
                   float32: no camera gives 16 bits with sign, and so the file is used like the
                   float ones.

What a file of 8 bits needs is in `tflite_int8`.

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

from drgn_tf.errors import UserError
from drgn_tf.exports import calibration as calibrating
from drgn_tf.exports.calibration import CalibrationSample
from drgn_tf.exports.tflite_int8 import float_tensors, with_byte_images, with_byte_weights
from drgn_tf.exports.tflite_metadata import TensorDescription, attach, packed, text, unpacked
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN

PRECISIONS = ("float32", "float16", "dynamic_range", "int8", "int16x8")
SIGNATURE = "serving_default"
_CALIBRATED = ("int8", "int16x8")


class TFLiteExportError(UserError):
    """A file cannot be made. The message says why and what to do."""


class _Serving(tf.Module):
    """The network with the signature of the file."""

    def __init__(self, model: DRGN, size: tuple[int, int] | None, tiled: bool):
        super().__init__()
        # TensorFlow does not find the variables inside a Keras model.
        self.kept = [variable.value for variable in model.variables]
        specs = [tf.TensorSpec([1, *(size or (None, None)), 3], name="image")]
        if tiled:
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
    tiled: bool,
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
      tiled: whether the file takes the thumbnail, or makes it of the image.
      name: of the network, for the metadata.
      calibration: low-light samples of `size`; needed by "int8" and "int16x8".

    Raises:
      TFLiteExportError: the arguments do not go together, or the converter did not do what it
        was asked for.
      UserError: the file cannot be written.
    """
    _check_arguments(precision, size, calibration)
    data = _converted(model, precision, size, tiled)
    if precision == "int8":
        content = unpacked(_quantised_int8(data, calibration))
        with_byte_weights(content)
        with_byte_images(content)
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


def _converted(model: DRGN, precision: str, size, tiled: bool) -> bytes:
    module = _Serving(model, size, tiled)
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
    skipped = {text(subgraph.tensors[number].name) for number in float_tensors(model)}
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
