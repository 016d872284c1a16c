"""What quantisation is calibrated with, and the ranges that follow from it.

A network of 8 bits stands or falls with the range that each intermediate result is
given. Taking the extremes of some photos is the usual way, and bad here: one lamp in a
dark photo stretches every range, and the dark, which is all that matters, is left with a
few steps. What is done instead, each measured on the trained mobile network (PSNR between
8 bits and float on 13 low-light photos, mean and worst):

    extremes                                                33.5 dB   25.6 dB
    all but 0.1 % of the values at either end               39.0 dB   28.3 dB
    the same, and what PReLU is about to reduce cut off     42.3 dB   34.8 dB

The last: before a PReLU the values reach far below zero (to -24, where the result lies
between -0.4 and 2.8), and a slope of some hundredths then makes next to nothing of them.
A range that spans them wastes most of the steps, so it ends where the PReLU's result does.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from drgn_tf.data import photometric, sample
from drgn_tf.data.photos import list_photos, read_photo, to_float, to_uint8
from drgn_tf.inference.thumbnail import photo_thumbnail
from exports.tflite_metadata import text, unpacked

# Darkenings of each free photo.
_STRENGTHS = 8
# Rows of channels kept of each intermediate result of each sample.
_KEPT = 256
# Share of the values at either end that a range of 8 bits leaves out.
_LEFT_OUT = 1e-3


@dataclasses.dataclass(frozen=True)
class CalibrationSample:
    """A cutting of a photo.

    Attributes:
      image: uint8 [H, W, 3].
      thumbnail: float32 [1, T, T, 3] of the whole photo.
    """

    image: np.ndarray
    thumbnail: np.ndarray


def load_calibration_photos(folder: pathlib.Path | None = None) -> list[np.ndarray]:
    """Returns low-light photos, uint8 [H, W, 3].

    Args:
      folder: with low-light photos of the kind that will be enhanced. By default the free
        sample photos, darkened from slightly to very much.

    Raises:
      DataError: the folder is missing or holds no photo, or one cannot be used.
    """
    if folder is not None:
        photos = [read_photo(path) for path in list_photos(folder).values()]
        return [photo if photo.dtype == np.uint8 else to_uint8(to_float(photo)) for photo in photos]
    photos = []
    options = photometric.PhotometricOptions()
    for i, path in enumerate(sample.training_photos() + sample.held_out_photos()):
        photo = to_float(read_photo(path))
        for j in range(_STRENGTHS):
            seed = (i, j)
            parameters = photometric.draw_parameters(options, seed)
            photos.append(to_uint8(photometric.darken(photo, parameters, seed).numpy()))
    return photos


def calibration_samples(
    photos: Sequence[np.ndarray],
    size: tuple[int, int],
    thumbnail_size: int,
    count: int,
    seed: int = 0,
) -> list[CalibrationSample]:
    """Cuts samples out of photos, the same at every call.

    Args:
      photos: uint8 [H, W, 3]; those smaller than `size` are repeated to fill it.
      size: height and width of the samples in pixels.
      thumbnail_size: side of the thumbnails in pixels.
      count: of samples; each photo gives as many as the others, or one more.
      seed: of the places.
    """
    generator = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        photo = photos[i % len(photos)]
        repeats = [-(-side // have) for side, have in zip(size, photo.shape)]
        filled = np.tile(photo, (*repeats, 1))
        y, x = (generator.integers(0, have - side + 1) for have, side in zip(filled.shape, size))
        image = filled[y : y + size[0], x : x + size[1]]
        samples.append(CalibrationSample(image, photo_thumbnail(photo, thumbnail_size)))
    return samples


@dataclasses.dataclass(frozen=True)
class Observation:
    """What a tensor was seen to hold.

    Attributes:
      values: float32 [n], some of them.
      least: of all values.
      greatest: of all values.
    """

    values: np.ndarray
    least: float
    greatest: float


def observe(data: bytes, samples: Sequence[CalibrationSample]) -> dict[int, Observation]:
    """Runs a float `.tflite` file and returns what its tensors held, by their numbers.

    Args:
      data: the file; its inputs are an image and perhaps a thumbnail, in this order.
      samples: of its size.
    """
    interpreter = Interpreter(
        model_content=data,
        # Without XNNPACK, which keeps its intermediate results to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    subgraph = unpacked(data).subgraphs[0]
    inputs = [int(i) for i in subgraph.inputs]
    numbers = [i for i in inputs + outputs_of(subgraph) if is_float(subgraph.tensors[i])]
    kept: dict[int, list[np.ndarray]] = {i: [] for i in numbers}
    limits = {i: [0.0, 0.0] for i in numbers}
    generator = np.random.default_rng(0)
    for example in samples:
        feeds = (example.image[np.newaxis] / np.float32(255), example.thumbnail)
        for number, value in zip(inputs, feeds):
            interpreter.set_tensor(number, value)
        interpreter.invoke()
        for number in numbers:
            values = interpreter.get_tensor(number)
            limits[number][0] = min(limits[number][0], float(values.min()))
            limits[number][1] = max(limits[number][1], float(values.max()))
            rows = values.reshape(-1, values.shape[-1])
            if len(rows) > _KEPT:
                rows = rows[generator.integers(0, len(rows), _KEPT)]
            # A copy: the interpreter reuses its memory.
            kept[number].append(rows.flatten())
    return {i: Observation(np.concatenate(kept[i]), *limits[i]) for i in numbers}


def outputs_of(subgraph: schema.SubGraphT) -> list[int]:
    """Returns the numbers of the tensors that operators write."""
    return [int(i) for operator in subgraph.operators for i in operator.outputs]


def is_float(tensor: schema.TensorT) -> bool:
    """Returns whether a tensor is float32."""
    return tensor.type == schema.TensorType.FLOAT32


def narrow_ranges(
    model: schema.ModelT, observations: Mapping[int, Observation], whole: Collection[int]
) -> dict[int, tuple[float, float]]:
    """Returns (least, greatest) for 8 bits by tensor; see the module.

    Args:
      model: content of the file that was observed.
      observations: from `observe`.
      whole: tensors whose range is not narrowed: of a vector of few values each one counts.
    """
    ranges = {}
    for number, seen in observations.items():
        if number in whole:
            ranges[number] = (seen.least, seen.greatest)
            continue
        least, greatest = np.quantile(seen.values, [_LEFT_OUT, 1 - _LEFT_OUT])
        ranges[number] = (min(float(least), 0.0), max(float(greatest), 0.0))
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        before, after = int(operator.inputs[0]), int(operator.outputs[0])
        if code == schema.BuiltinOperator.PRELU and after not in whole:
            largest = max(-ranges[after][0], ranges[after][1])
            ranges[before] = (max(ranges[before][0], -largest), ranges[after][1])
    return ranges


def wide_ranges(observations: Mapping[int, Observation]) -> dict[int, tuple[float, float]]:
    """Returns (least, greatest) for 16 bits by tensor: four times what was seen.

    16 bits have steps to spare, and photos brighter than the samples are then right too.
    """
    return {i: (4 * seen.least, 4 * seen.greatest) for i, seen in observations.items()}


def with_ranges(data: bytes, ranges: Mapping[int, tuple[float, float]]) -> schema.ModelT:
    """Returns the content of a `.tflite` file with ranges noted in it, for a quantiser."""
    model = unpacked(data)
    for number, (least, greatest) in ranges.items():
        tensor = model.subgraphs[0].tensors[number]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.min = [least]
        tensor.quantization.max = [greatest]
    return model


def names(model: schema.ModelT, numbers: Collection[int]) -> set[str]:
    """Returns the names of tensors."""
    return {text(model.subgraphs[0].tensors[number].name) for number in numbers}
