"""Calibration photos for quantisation, and the ranges of activations measured on them.

The accuracy of an 8-bit network depends on the range of each activation: here the extremes
on low-light photos. That fails before a PReLU: inputs far below zero (to -24, for outputs
between -0.4 and 2.8) are common there, and a range that spans them wastes most of its steps.
`tflite` therefore keeps these activations in float. Clipping a share at either end instead
clips the brighter parts of photos that are only dim (27 dB from float on such a photo).

The built-in set includes each photo undarkened too. Without them, anything brighter than the
darkened photos is far outside of all ranges: such photos came out at 17 dB from float.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.data import photometric, sample
from drgn_tf.exports.tflite_metadata import text, unpacked
from drgn_tf.images.photos import list_photos, read_photo, to_float, to_uint8
from drgn_tf.inference.thumbnail import photo_thumbnail

# Number of darkened versions of each free photo.
_STRENGTHS = 8
# What samples ask for in turn: mostly nothing, else one within two stops about the middle. Of a
# length that has no factor in common with the nine views of a photo.
_BRIGHTNESS = (AUTOMATIC, 0.2, AUTOMATIC, 0.75, AUTOMATIC, 0.4, AUTOMATIC)


@dataclasses.dataclass(frozen=True)
class CalibrationSample:
    """A crop of a photo.

    Attributes:
      image: uint8 [H, W, 3].
      thumbnail: float32 [1, T, T, 3] of the whole photo.
      brightness: float32 [1, 1], mean luma asked for, 0 for automatic.
    """

    image: np.ndarray
    thumbnail: np.ndarray
    brightness: np.ndarray


def load_calibration_photos(folder: pathlib.Path | None = None) -> list[np.ndarray]:
    """Returns low-light photos, uint8 [H, W, 3].

    Args:
      folder: of low-light photos like those to be enhanced. By default the free sample
        photos, each darkened from slightly to strongly, and undarkened.

    Raises:
      UserError: the folder is missing or holds no photo, or one cannot be used.
    """
    if folder is not None:
        return [to_uint8(read_photo(path)) for path in list_photos(folder).values()]
    photos = []
    options = photometric.PhotometricOptions()
    for i, path in enumerate(sample.training_photos() + sample.held_out_photos()):
        photo = to_float(read_photo(path))
        for j in range(_STRENGTHS):
            seed = (i, j)
            photos.append(to_uint8(_darkened(photo, options, seed)))
        photos.append(to_uint8(photo))
    return photos


def _darkened(
    photo: np.ndarray, options: photometric.PhotometricOptions, seed: tuple[int, int]
) -> np.ndarray:
    height, width = photo.shape[:2]
    side = max(height, width)
    # Darkening takes squares.
    square = np.pad(photo, [(0, side - height), (0, side - width), (0, 0)], mode="edge")
    parameters = photometric.draw_parameters(options, photo_thumbnail(photo, 32)[0], seed)
    return photometric.darken(square, parameters, seed, options).numpy()[:height, :width]


def calibration_samples(
    photos: Sequence[np.ndarray],
    size: tuple[int, int],
    thumbnail_size: int,
    count: int,
    seed: int = 0,
) -> list[CalibrationSample]:
    """Crops samples from photos, the same at every call.

    Args:
      photos: uint8 [H, W, 3]; those smaller than `size` are repeated to fill it.
      size: height and width of the samples in pixels.
      thumbnail_size: side of the thumbnails in pixels.
      count: number of samples, spread evenly over the photos. If it is smaller than the number
        of photos, the photos are drawn at random.
      seed: of the photos and positions.
    """
    generator = np.random.default_rng(seed)
    samples = []
    # Not the first ones, which may all be of one kind.
    order = generator.permutation(len(photos)) if count < len(photos) else range(len(photos))
    for i in range(count):
        photo = photos[order[i % len(order)]]
        repeats = [-(-side // have) for side, have in zip(size, photo.shape)]
        filled = np.tile(photo, (*repeats, 1))
        y, x = (generator.integers(0, have - side + 1) for have, side in zip(filled.shape, size))
        image = filled[y : y + size[0], x : x + size[1]]
        brightness = np.full((1, 1), _BRIGHTNESS[i % len(_BRIGHTNESS)], np.float32)
        thumbnail = photo_thumbnail(photo, thumbnail_size)
        samples.append(CalibrationSample(image, thumbnail, brightness))
    return samples


def observed_ranges(
    data: bytes, samples: Sequence[CalibrationSample]
) -> dict[int, tuple[float, float]]:
    """Runs a float `.tflite` file and returns (minimum, maximum) of its tensors, by tensor index.

    Args:
      data: the file; its inputs are called image, thumbnail and brightness, as in `flavours`.
      samples: of its size.
    """
    interpreter = Interpreter(
        model_content=data,
        # Without XNNPACK, which hides its intermediate results.
        num_threads=os.cpu_count(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    subgraph = unpacked(data).subgraphs[0]
    inputs = [int(i) for i in subgraph.inputs]
    numbers = [i for i in inputs + outputs_of(subgraph) if is_float(subgraph.tensors[i])]
    # Quantisers need 0 in every range.
    ranges = dict.fromkeys(numbers, (0.0, 0.0))
    for example in samples:
        feeds = {
            "image": example.image[np.newaxis] / np.float32(255),
            "thumbnail": example.thumbnail,
            "brightness": example.brightness,
        }
        for number in inputs:
            interpreter.set_tensor(number, feeds[text(subgraph.tensors[number].name)])
        interpreter.invoke()
        for number, (least, greatest) in ranges.items():
            values = interpreter.get_tensor(number)
            ranges[number] = min(least, float(values.min())), max(greatest, float(values.max()))
    return ranges


def outputs_of(subgraph: schema.SubGraphT) -> list[int]:
    """Returns the indices of the tensors that operators write."""
    return [int(i) for operator in subgraph.operators for i in operator.outputs]


def is_float(tensor: schema.TensorT) -> bool:
    """Returns whether a tensor is float32."""
    return tensor.type == schema.TensorType.FLOAT32


def with_ranges(model: schema.ModelT, ranges: Mapping[int, tuple[float, float]]) -> schema.ModelT:
    """Returns the content of a `.tflite` file after noting ranges in it, for a quantiser."""
    for number, (least, greatest) in ranges.items():
        tensor = model.subgraphs[0].tensors[number]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.min = [least]
        tensor.quantization.max = [greatest]
    return model
