"""From a trained network to `.tflite` files for Android.

    trace      a plain TensorFlow module that calls the network, at a batch of one
    convert    by TensorFlow's converter, from a SavedModel of that module
    name       tensors, in the order of `flavours`
    quantise   8 and 16 bits: by ranges that `calibration` has found
    describe   metadata
    check      builtin operators only, and the scales of what goes in and out

Inputs and outputs are those of the file's flavour (`flavours`). Files of any size take multiples
of 4: with padding and cropping inside, LiteRT would know some shapes only while it runs, and its
CompiledModel refuses that. Who runs them repeats the last row and column, and crops the result.

Precisions:

    float32        the network as it is
    float16        weights in half precision; computes as the runtime likes (GPUs: in half)
    dynamic_range  weights of 8 bits, the rest float32
    int8           weights and images of 8 bits. `image` and `enhanced` are uint8 with scale
                   1/255 and zero point 0: the bytes of a bitmap as they are.
    int16x8        weights of 8 bits, intermediate results of 16. `image` and `enhanced` are
                   float32: no camera gives 16 bits with sign, and so the file is used like the
                   float ones. Not made unless asked for: an accelerator was seen to give 10.7 dB,
                   without an error.
    integer        weights of 8 bits, all pixels in integers of 16 and 8 bits, with the bytes of
                   "int8" in and out: for NPUs that have no float (`tflite_integer`). Not made
                   unless asked for: CPUs take thirty times as long as for float32.

`thumbnail` and `brightness` are float32 in all of them; what is computed of these alone is so
too, but for the two of 16 bits. What a file of 8 bits needs is in `tflite_int8`.

The 16-bit quantiser has no PReLU and no operators between space and depth; these compute
in float32, between conversions.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.optimize.calibrator import Calibrator

from drgn_tf.errors import UserError
from drgn_tf.exports import calibration as calibrating
from drgn_tf.exports.calibration import CalibrationSample
from drgn_tf.exports.flavours import AIMED, INPUTS, OUTPUTS, traceable
from drgn_tf.exports.tflite_int8 import float_tensors, with_byte_images, with_byte_weights
from drgn_tf.exports.tflite_integer import with_integers
from drgn_tf.exports.tflite_metadata import TensorDescription, attach, packed, text, unpacked
from drgn_tf.files import atomic_path, partial_folder
from drgn_tf.models import DRGN
from drgn_tf.models.options import GRID_FACTOR

PRECISIONS = ("float32", "float16", "dynamic_range", "int8", "int16x8", "integer")
DEFAULT_PRECISIONS = PRECISIONS[:4]
SIGNATURE = "serving_default"
_CALIBRATED = ("int8", "int16x8", "integer")
# Size, flavour, and whether the weights are of half precision.
Conversion: TypeAlias = tuple[tuple[int, int] | None, str, bool]


def export_tflite(
    model: DRGN,
    path: pathlib.Path,
    *,
    precision: str,
    size: tuple[int, int] | None,
    flavour: str,
    name: str,
    calibration: Sequence[CalibrationSample] = (),
    known: dict[Conversion, bytes] | None = None,
) -> None:
    """Writes a `.tflite` file.

    Args:
      model: the trained network.
      path: of the file; its folder exists.
      precision: of `PRECISIONS`.
      size: height and width of the image in pixels, which GPUs and NPUs need to know; or None
        for a file that takes all multiples of 4, on the CPU.
      flavour: of `flavours.flavours`.
      name: of the network, for the metadata.
      calibration: low-light samples of `size`; needed by "int8", "int16x8" and "integer".
      known: what was converted of this network already, which is not converted again; what is
        converted now is added. Precisions of fewer bits are made of the float32 file.

    Raises:
      UserError: the arguments do not go together, the converter did not do what it was asked for,
        or the file cannot be written.
    """
    _check_arguments(precision, size, flavour, calibration)
    half = precision == "float16"
    known, key = {} if known is None else known, (size, flavour, half)
    if key not in known:
        known[key] = packed(_converted(model, half, size, flavour, path.parent))
    content = unpacked(known[key])
    if precision == "dynamic_range":
        with_byte_weights(content)
    elif precision == "int8":
        content = _quantised_int8(content, calibration)
    elif precision == "int16x8":
        content = _quantised_int16x8(content, calibration)
    elif precision == "integer":
        ranges = calibrating.observed_ranges(packed(content), calibration)
        content = with_integers(content, ranges)
    _describe(content, name, precision, size)
    _check_content(content, precision)
    with atomic_path(path) as beside:
        beside.write_bytes(packed(content))


def _check_arguments(
    precision: str,
    size: tuple[int, int] | None,
    flavour: str,
    calibration: Sequence[CalibrationSample],
) -> None:
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision '{precision}'; choose one of: {', '.join(PRECISIONS)}.")
    if size is not None and min(size) < 1:
        raise UserError(f"size must be positive, not {size[1]}x{size[0]}.")
    if precision not in _CALIBRATED:
        return
    if size is None:
        raise UserError(
            f"{precision} needs a fixed size; give one, or choose float32, float16 or "
            "dynamic_range for a file that takes any."
        )
    if precision == "integer" and flavour != "tiled":
        raise UserError("integer files are given the thumbnail; choose the flavour tiled.")
    if not calibration:
        raise UserError(f"{precision} needs calibration samples; give some.")
    for sample in calibration:
        if sample.image.shape[:2] != tuple(size):
            raise UserError(
                f"calibration samples are {sample.image.shape[1]}x{sample.image.shape[0]}, the "
                f"file is to be {size[1]}x{size[0]}; cut them to that."
            )


def _converted(
    model: DRGN,
    half: bool,
    size: tuple[int, int] | None,
    flavour: str,
    scratch: pathlib.Path,
) -> schema.ModelT:
    """Returns a file in float32, with weights in half precision if `half`."""
    module = tf.Module()
    module.serve = traceable(model, flavour, size, batch=1, aligned=True)
    with partial_folder(scratch) as folder:
        tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(folder), signature_keys=[SIGNATURE]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content = unpacked(converter.convert())
    _name_tensors(content)
    if size is None:
        _set_smallest_size(content)
    return content


def _set_smallest_size(content: schema.ModelT) -> None:
    """Makes 4x4 the size before it is set, which converters leave at 1x1: no valid one here."""
    (subgraph,) = content.subgraphs
    for number in (subgraph.inputs[0], subgraph.outputs[0]):
        subgraph.tensors[number].shape = [1, GRID_FACTOR, GRID_FACTOR, 3]


def _name_tensors(content: schema.ModelT) -> None:
    """Names and orders what goes in and comes out as in `flavours`; converters sort by name."""
    (subgraph,), (signature,) = content.subgraphs, content.signatureDefs
    for side, order in (("inputs", list(INPUTS)), ("outputs", list(OUTPUTS))):
        entries = sorted(getattr(signature, side), key=lambda entry: order.index(text(entry.name)))
        for entry in entries:
            subgraph.tensors[entry.tensorIndex].name = text(entry.name)
            # Quantisers go by names of tensors, and take an input of the same name for it.
            if side == "outputs" and text(entry.name) == "brightness":
                subgraph.tensors[entry.tensorIndex].name = AIMED
        setattr(signature, side, entries)
        setattr(subgraph, side, [entry.tensorIndex for entry in entries])


def _quantised_int8(content: schema.ModelT, samples: Sequence[CalibrationSample]) -> schema.ModelT:
    """Returns a file in 8 bits."""
    tensors = content.subgraphs[0].tensors
    ranges = calibrating.observed_ranges(packed(content), samples)
    skipped = {text(tensors[number].name) for number in float_tensors(content)}
    calibrated = packed(calibrating.with_ranges(content, ranges))
    quantised = unpacked(mlir_quantize(calibrated, denylisted_nodes=skipped))
    _name_tensors(quantised)
    with_byte_weights(quantised)
    with_byte_images(quantised)
    return quantised


def _quantised_int16x8(
    content: schema.ModelT, samples: Sequence[CalibrationSample]
) -> schema.ModelT:
    """Returns a file with results of 16 bits, with float32 images."""
    subgraph = content.subgraphs[0]
    # 16 bits have steps to spare, and photos brighter than the samples are then right too.
    ranges = {
        number: (4 * least, 4 * greatest)
        for number, (least, greatest) in calibrating.observed_ranges(
            packed(content), samples
        ).items()
    }
    for number in (*subgraph.inputs, *subgraph.outputs):
        ranges[int(number)] = (0.0, 1.0)
    quantiser = Calibrator(packed(calibrating.with_ranges(content, ranges)))
    # Nothing is fed: it then takes the ranges that are in the file.
    quantised = unpacked(
        quantiser.calibrate_and_quantize(
            lambda: iter(()),
            tf.float32,
            tf.float32,
            allow_float=True,
            activations_type=tf.int16,
            bias_type=tf.int64,
        )
    )
    _name_tensors(quantised)
    return quantised


def _describe(
    content: schema.ModelT, name: str, precision: str, size: tuple[int, int] | None
) -> None:
    (subgraph,) = content.subgraphs
    description = "Enhances low-light photos (DRGN)."
    if precision in ("int16x8", "integer"):
        # It gave wrong images on a GPU, without an error.
        description += " Computes in integers of 16 bits: for NPUs that have them, not for GPUs."

    def described(entry: schema.TensorMapT, descriptions: dict[str, str]) -> TensorDescription:
        key, tensor = text(entry.name), subgraph.tensors[entry.tensorIndex]
        sizes = {"brightness": None, "thumbnail": (int(tensor.shape[1]),) * 2}
        largest = 255.0 if tensor.type == schema.TensorType.UINT8 else 1.0
        return TensorDescription(
            text(tensor.name), descriptions[key], sizes.get(key, size or (0, 0)), largest
        )

    (signature,) = content.signatureDefs
    attach(
        content,
        name,
        description,
        [described(entry, INPUTS) for entry in signature.inputs],
        [described(entry, OUTPUTS) for entry in signature.outputs],
    )


def _check_content(content: schema.ModelT, precision: str) -> None:
    foreign = [
        text(code.customCode) for code in content.operatorCodes if code.customCode is not None
    ]
    if foreign:
        raise UserError(f"the converter used other than builtin operators: {foreign}.")
    subgraph = content.subgraphs[0]
    if precision in ("int8", "integer"):
        image, enhanced = int(subgraph.inputs[0]), int(subgraph.outputs[0])
        _check_scales(subgraph, [image, enhanced], schema.TensorType.UINT8, 1 / 255, 0)
        types = {subgraph.tensors[op.outputs[0]].type for op in subgraph.operators}
        if schema.TensorType.INT8 not in types:
            raise UserError("the quantiser left all in float; report this as a bug.")
    if precision == "int16x8":
        inner = [op.outputs[0] for op in subgraph.operators if subgraph.inputs[0] in op.inputs]
        inner = [n for n in inner if subgraph.tensors[n].type == schema.TensorType.INT16]
        _check_scales(subgraph, inner, schema.TensorType.INT16, 1 / 32767, 0)


def _check_scales(
    subgraph: schema.SubGraphT, numbers: Sequence[int], kind: int, scale: float, zero_point: int
) -> None:
    if not len(numbers):
        raise UserError("the quantiser left the image in float; report this as a bug.")
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
            raise UserError(
                f"{text(tensor.name)}: was not given the scale {scale:.7f} and the zero point "
                f"{zero_point}; bytes would be read wrong."
            )
