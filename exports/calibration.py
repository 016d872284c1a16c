"""What quantisation is calibrated with, and the ranges that follow from it.

A network of 8 bits stands or falls with the range that each intermediate result is
given. Taking the extremes of some photos is the usual way, and bad here: values far below
zero (to -24, where what comes of them lies between -0.4 and 2.8) are common before a
PReLU, whose slopes of some hundredths make next to nothing of them, and a range that
spans them wastes most of its steps. Cutting a fixed share off either end is no better: it
clips the brighter parts of photos that are only dim (27 dB from float on such a photo).

So the lower end of each range is the one of fourteen that costs the least squared error,
and before a PReLU the error counts behind it. The upper end stays: cutting that too gains
0.8 dB on average, and loses 2 dB on the photos that are brightest.

The built-in photos hold each photo also as it is. Otherwise, whatever is brighter than the
darkened ones lies far outside of all ranges: such photos came out at 17 dB from float.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from drgn_tf.data import photometric, sample
from drgn_tf.data.photos import list_photos, read_photo, to_float, to_uint8
from drgn_tf.inference.thumbnail import photo_thumbnail
from exports.tflite_metadata import unpacked

# Darkenings of each free photo.
_STRENGTHS = 8
# Rows of channels kept of each intermediate result of each sample.
_KEPT = 256
# Lower ends of a range of 8 bits that are tried, as shares of the least value.
_SHARES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.03, 0.02)
# Rows of channels that they are tried on.
_TRIED = 3000


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
        sample photos, each darkened from slightly to very much, and as it is.

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
        photos.append(to_uint8(photo))
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
      values: float32 [n, channels], some of them.
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
        num_threads=os.cpu_count(),
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
            kept[number].append(rows.copy())
    return {i: Observation(np.concatenate(kept[i]), *limits[i]) for i in numbers}


def outputs_of(subgraph: schema.SubGraphT) -> list[int]:
    """Returns the numbers of the tensors that operators write."""
    return [int(i) for operator in subgraph.operators for i in operator.outputs]


def is_float(tensor: schema.TensorT) -> bool:
    """Returns whether a tensor is float32."""
    return tensor.type == schema.TensorType.FLOAT32


def narrow_ranges(
    model: schema.ModelT, observations: Mapping[int, Observation], floats: Collection[int]
) -> dict[int, tuple[float, float]]:
    """Returns (least, greatest) for 8 bits by tensor; see the module.

    Args:
      model: content of the file that was observed.
      observations: from `observe`.
      floats: tensors that stay float32. Their ranges are whole: where a vector of the channel
        attention is converted for the rest, each of its few values counts.
    """
    return {
        number: (seen.least, seen.greatest)
        if number in floats
        else _best_range(seen, _behind(model, number))
        for number, seen in observations.items()
    }


def _best_range(
    seen: Observation, behind: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float]:
    values = np.random.default_rng(0).permutation(seen.values)[:_TRIED]
    expected = behind(values)
    errors = {}
    for least in {share * seen.least for share in _SHARES}:
        # Of a tensor that is 0 everywhere any range is right.
        step = max(seen.greatest - least, 1e-6) / 255
        rounded = np.round(np.maximum(values, least) / step) * step
        errors[least] = float(np.square(behind(rounded) - expected).mean())
    return min(errors, key=errors.get), seen.greatest


def _behind(model: schema.ModelT, number: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the PReLU that a tensor goes through, if nothing else reads it."""
    subgraph = model.subgraphs[0]
    readers = [operator for operator in subgraph.operators if number in operator.inputs]
    codes = [model.operatorCodes[reader.opcodeIndex].builtinCode for reader in readers]
    if codes != [schema.BuiltinOperator.PRELU]:
        return np.asarray
    buffer = model.buffers[subgraph.tensors[readers[0].inputs[1]].buffer]
    slopes = np.frombuffer(bytes(bytearray(buffer.data)), np.float32)
    return lambda values: np.where(values > 0, values, slopes * values)


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
