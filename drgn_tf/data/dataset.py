"""The endless stream of training samples, drawn with TensorFlow.

Which samples these are, and why a number tells all of one, says `drgn_tf.data.sampling`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from drgn_tf.brightness import GAMMA
from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data import photometric, sampling
from drgn_tf.data.augmentation import (
    apply_symmetry,
    random_exposure,
    random_offset,
    random_symmetry,
)
from drgn_tf.data.decoded_photos import PhotoStore
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.sampling import NORMAL_KEYS, PAIR_KEYS, Draw, plan_samples
from drgn_tf.data.training_data import NORMAL_STREAM, Source, TrainingData
from drgn_tf.errors import UserError
from drgn_tf.tensors import Tensor


@dataclasses.dataclass(frozen=True)
class Shard:
    """One worker's part of each batch.

    Attributes:
      index: of the worker, from 0.
      count: of workers.
      replicas: devices of this worker.
    """

    index: int = 0
    count: int = 1
    replicas: int = 1


def sampler(data: TrainingData, options: SampleOptions) -> Callable[..., Tensor]:
    """Returns a function for use inside a graph: sample number (int64) -> sample.

    A sample is a dict of what `drgn_tf.data.sampling` names.
    """
    plan = plan_samples(data, options)
    draws = [_drawn_from(data, source, options) for _, source in plan.sources]
    ends = plan.ends.astype(np.float32)
    draw_normal = _normal_photos(data, plan.normal, options.crop_size) if plan.normal else None

    def drawn(number: Tensor, seeds: Tensor) -> Tensor:
        def from_source(place: int) -> Callable[..., Tensor]:
            stream, source = plan.sources[place]
            return lambda: draws[place](
                _shuffled(number, len(source.high), options.seed, stream), seeds
            )

        if len(draws) == 1:
            return from_source(0)()
        unit = tf.random.stateless_uniform([], seeds[Draw.SOURCE])
        chosen = tf.reduce_sum(tf.cast(unit >= ends, tf.int32))
        return tf.switch_case(chosen, [from_source(place) for place in range(len(draws))])

    def turned(names: Tensor, images: Tensor, seed: Tensor) -> Tensor:
        """Returns square images, all turned alike, and the brightness behind them, by name."""
        symmetry = random_symmetry(seed)
        *images, brightness = images
        return dict(zip(names, [*(apply_symmetry(x, symmetry) for x in images), brightness]))

    def sample(number: Tensor) -> Tensor:
        key = tf.random.fold_in(tf.constant([options.seed, 0], tf.int64), number)
        seeds = tf.unstack(tf.random.split(key, len(Draw)))
        result = turned(PAIR_KEYS, drawn(number, seeds), seeds[Draw.SYMMETRY])
        if draw_normal is not None:
            normal = draw_normal(number, options.seed, seeds[Draw.NORMAL_CROP])
            result.update(turned(NORMAL_KEYS, normal, seeds[Draw.NORMAL_SYMMETRY]))
        return result

    return sample


def _drawn_from(
    data: TrainingData, source: Source, options: SampleOptions
) -> Callable[..., Tensor]:
    """Returns (index, seeds) -> low, high, the thumbnail of low, the brightness of high."""
    crop_size, synthesis = options.crop_size, options.photometric
    high_crop, sizes = source.high.cropper(), source.high.size_table()
    high_thumbnails = tf.constant(data.thumbnails(source.high))
    brightnesses = tf.constant(data.brightness(source.high))

    def relit(high: Tensor, thumbnail: Tensor, brightness: Tensor, seeds: Tensor) -> Tensor:
        if not options.relight:
            return high, brightness
        factor = random_exposure(options.relight / GAMMA, seeds[Draw.RELIGHT])
        unit = tf.random.stateless_uniform([], seeds[Draw.RELIGHT_CHOICE])
        factor = tf.where(unit < options.relight_share, factor, 1.0)
        return sampling.relit(high, thumbnail, brightness, factor)

    def corner(index: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
        top, left = tf.unstack(random_offset(sizes[index], crop_size, seeds[Draw.CROP]))
        return top, left

    def darkened(index: Tensor, seeds: Tensor) -> Tensor:
        thumbnail = high_thumbnails[index]
        parameters = photometric.draw_parameters(synthesis, thumbnail, seeds[Draw.DEGRADATION])
        low, high, low_thumbnail, thumbnail, brightness = sampling.darkened(
            high_crop(index, *corner(index, seeds), crop_size),
            thumbnail,
            brightnesses[index],
            parameters,
            lambda crop: photometric.darken(crop, parameters, seeds[Draw.NOISE], synthesis),
            synthesis,
        )
        high, brightness = relit(high, thumbnail, brightness, seeds)
        return low, high, low_thumbnail, brightness

    if source.low is None:
        return darkened
    low_crop, low_thumbnails = source.low.cropper(), tf.constant(data.thumbnails(source.low))
    peak = source.low.peak

    def paired(index: Tensor, seeds: Tensor) -> Tensor:
        top, left = corner(index, seeds)
        low, high = (crop(index, top, left, crop_size) for crop in (low_crop, high_crop))
        thumbnail = low_thumbnails[index]
        if options.exposure_jitter:
            factor = random_exposure(options.exposure_jitter, seeds[Draw.DEGRADATION])
            low = sampling.expose(low, factor, peak)
            thumbnail = sampling.expose(thumbnail, factor)
        unit = tf.random.stateless_uniform([simulation.DRAWS], seeds[Draw.NOISE])
        low, thumbnail = sampling.saved_low(
            low, thumbnail, high, high_thumbnails[index], unit, options
        )
        high, brightness = relit(high, high_thumbnails[index], brightnesses[index], seeds)
        return low, high, thumbnail, brightness

    return paired


def _normal_photos(
    data: TrainingData, stores: list[PhotoStore], crop_size: int
) -> Callable[..., Tensor]:
    """Returns (number, seed of the run, seed) -> a crop, its thumbnail, its brightness."""
    crops = [store.cropper() for store in stores]
    sizes = tf.concat([store.size_table() for store in stores], 0)
    thumbnails = tf.concat([data.thumbnails(store) for store in stores], 0)
    brightnesses = tf.concat([data.brightness(store) for store in stores], 0)
    counts = [len(store) for store in stores]
    starts = np.cumsum([0, *counts]).astype(np.int64)

    def draw(number: Tensor, run_seed: int, seed: Tensor) -> Tensor:
        # An order of its own: unrelated to the photo of the pair.
        index = _shuffled(number, int(starts[-1]), run_seed, NORMAL_STREAM)
        top, left = tf.unstack(random_offset(sizes[index], crop_size, seed))

        def cropped(store: int) -> Callable[..., Tensor]:
            return lambda: crops[store](index - starts[store], top, left, crop_size)

        if len(stores) == 1:
            crop = cropped(0)()
        else:
            place = tf.reduce_sum(tf.cast(index >= starts[1:-1], tf.int32))
            crop = tf.switch_case(place, [cropped(store) for store in range(len(stores))])
        return crop, thumbnails[index], brightnesses[index]

    return draw


def _shuffled(number: Tensor, count: int, seed: int, stream: int) -> Tensor:
    """Returns the photo of sample `number`: each of `count` once an epoch, in its own order."""
    epoch = number // count
    key = tf.random.fold_in(tf.constant([seed, stream + 1], tf.int64), epoch)
    return tf.random.experimental.index_shuffle(
        tf.cast(number % count, tf.int64), tf.cast(key, tf.int64), tf.constant(count - 1, tf.int64)
    )


def training_dataset(
    data: TrainingData,
    options: SampleOptions,
    first_step: int,
    steps: int,
    shard: Shard = Shard(),
) -> tf.data.Dataset:
    """Returns the batches of steps first_step .. steps - 1, as one worker sees them.

    Args:
      data: photos.
      options: of the samples.
      first_step: first step; earlier batches are not computed.
      steps: end of the range.
      shard: this worker's part.

    Returns:
      A dataset of batches for one device each; a worker's devices take turns. Worker 0's
      first device gets the first samples of a step, and so on.

    Raises:
      UserError: the batch does not divide among the devices, or a photo is too small.
    """
    devices = shard.count * shard.replicas
    if options.batch_size % devices:
        raise UserError(
            f"a batch of {options.batch_size} does not divide among {devices} devices; "
            f"choose --batch_size={max(1, options.batch_size // devices) * devices}."
        )
    size = options.batch_size // devices
    first, last = first_step * shard.replicas, steps * shard.replicas
    sample = sampler(data, options)

    def number(batch: Tensor, within: Tensor) -> Tensor:
        step, device = batch // shard.replicas, batch % shard.replicas
        return ((step * shard.count + shard.index) * shard.replicas + device) * size + within

    def sample_at(position: Tensor) -> Tensor:
        return sample(number(first + position // size, position % size))

    # Nothing in a sample needs AutoGraph, whose reading of the sources takes long.
    dataset = tf.data.Dataset.range((last - first) * size).map(
        tf.autograph.experimental.do_not_convert(sample_at), tf.data.AUTOTUNE
    )
    return dataset.batch(size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
