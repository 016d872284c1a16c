"""What samples are made of, whichever framework draws them.

Sample i of a run is a function of the run's seed and of i alone: which photo (every photo once
per epoch, in an order shuffled anew, after chance has chosen its source), which crop, which
flip, which noise. Nothing has to be saved to resume at any step, several workers take their own
parts of each batch, and a batch is the same however many devices share it.
`drgn_tf.data.dataset` draws with TensorFlow's random generator and `drgn_tf.data.jax_sampling`
with JAX's: the distributions are the same, the samples are not.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable

import numpy as np
from keras import ops

from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data.decoded_photos import PhotoStore
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.training_data import Source, TrainingData
from drgn_tf.tensors import Tensor

# What a sample holds, in float32: the low-light photo and its reference [crop, crop, 3], a
# thumbnail [T, T, 3] of the whole low-light photo, the brightness [] of the whole reference.
PAIR_KEYS = ("low", "high", "thumbnail", "brightness")
# Of a normal-light photo, if `SampleOptions.normal` asks for one.
NORMAL_KEYS = ("normal", "normal_thumbnail", "normal_brightness")


class Draw(enum.IntEnum):
    """What each of the random seeds of a sample decides."""

    CROP = 0
    # Of the parameters of a darkened photo, or of the exposure of a real pair.
    DEGRADATION = 1
    # Of a darkened photo, or how the photo of a real pair is saved.
    NOISE = 2
    SOURCE = 3
    SYMMETRY = 4
    NORMAL_CROP = 5
    NORMAL_SYMMETRY = 6
    RELIGHT = 7
    RELIGHT_CHOICE = 8


@dataclasses.dataclass(frozen=True)
class SamplingPlan:
    """The photos that samples are drawn from.

    Attributes:
      sources: those that have a share, each with the number of its stream of random orders, which
        stays whatever the shares of the others are.
      ends: where chance falls: the upper end of each source's part of [0, 1), float64, without
        the last.
      normal: normal-light photos that come with each sample; empty if none do.
    """

    sources: list[tuple[int, Source]]
    ends: np.ndarray
    normal: list[PhotoStore]


def plan_samples(data: TrainingData, options: SampleOptions) -> SamplingPlan:
    """Returns what samples are drawn from.

    Raises:
      UserError: a photo is smaller than the crops.
    """
    data.check_crop(options)
    sources = [(i, source) for i, source in enumerate(data.sources(options)) if source.share > 0]
    ends = np.cumsum([source.share for _, source in sources])[:-1]
    return SamplingPlan(sources, ends, data.normal_stores if options.normal else [])


def darkened(
    high: Tensor,
    thumbnail: Tensor,
    brightness: Tensor,
    parameters: dict[str, Tensor],
    darken: Callable[[Tensor], Tensor],
    options: simulation.PhotometricOptions,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Makes a pair of a normal-light photo.

    Args:
      high: a crop of it, float32 [crop, crop, 3] in [0, 1].
      thumbnail: of the whole photo, float32 [T, T, 3].
      brightness: of the whole photo, [].
      parameters: from `low_light_simulation.scale_parameters`.
      darken: makes the low-light photo of a crop.
      options: of the synthesis.

    Returns:
      low, high, the thumbnails of both, the brightness of the whole reference.
    """
    if options.colour:
        before = thumbnail
        high, thumbnail = (simulation.recolour(x, parameters) for x in (high, thumbnail))
        brightness = _followed(brightness, before, thumbnail)
    low = darken(high)
    low_thumbnail = simulation.darken_thumbnail(thumbnail, parameters)
    if options.local_lift[1]:
        before = thumbnail
        high = simulation.lift(high, parameters)
        thumbnail = simulation.lift(thumbnail, parameters, window=3)
        brightness = _followed(brightness, before, thumbnail)
    return low, high, low_thumbnail, thumbnail, brightness


def relit(
    high: Tensor, thumbnail: Tensor, brightness: Tensor, factor: Tensor
) -> tuple[Tensor, Tensor]:
    """Changes the light of a reference, given as for `darkened`, by a factor.

    Returns:
      The crop, and the brightness of the whole photo.
    """
    changed = simulation.relight(thumbnail, factor)
    return simulation.relight(high, factor), _followed(brightness, thumbnail, changed)


def saved_low(
    low: Tensor,
    thumbnail: Tensor,
    high: Tensor,
    high_thumbnail: Tensor,
    unit: Tensor,
    options: SampleOptions,
) -> tuple[Tensor, Tensor]:
    """Replaces the low photo of a real pair by its reference, and saves it as a file, by chance.

    Args:
      low: a crop, float32 [crop, crop, 3] in [0, 1].
      thumbnail: of the whole photo, float32 [T, T, 3].
      high: the same crop of the reference.
      high_thumbnail: of the whole reference.
      unit: float32 [DRAWS], drawn uniformly from [0, 1).
      options: shares.

    Returns:
      The crop, and the thumbnail of its whole photo.
    """
    if options.pair_well_lit:
        # The first number decides nothing else.
        is_well_lit = unit[0] < options.pair_well_lit
        low = ops.where(is_well_lit, high, low)
        thumbnail = ops.where(is_well_lit, high_thumbnail, thumbnail)
    if options.pair_files:
        saved = options.pair_photometric
        low = simulation.save_as_file(low, simulation.file_parameters(saved, unit), saved)
    return low, thumbnail


def expose(image: Tensor, factor: Tensor, levels: float | None = None) -> Tensor:
    """Makes an image darker or brighter.

    Args:
      image: float32 [..., 3] in [0, 1].
      factor: on the sRGB values.
      levels: greatest value of the integer pixels to which the result is rounded, as in a
        photo; None leaves it as it is.

    Returns:
      float32, the same shape, in [0, 1].
    """
    image = ops.clip(image * factor, 0.0, 1.0)
    return image if levels is None else ops.round(image * levels) / levels


def _followed(brightness: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Returns the brightness of a photo that changed as its thumbnail did."""
    # The thumbnail's mean is nearly that of the photo.
    means = [ops.mean(simulation.luma(x)) for x in (before, after)]
    return brightness * (means[1] / ops.maximum(means[0], 1e-3))
