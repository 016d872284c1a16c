"""The endless stream of training samples.

Sample i of a run is a function of the run's seed and of i alone: which photo (every
photo once per epoch, in an order shuffled anew, unless chance first chooses between
pairs and darkened photos), which crop, which flip, which noise.
Nothing has to be saved to resume at any step, several workers take their own parts of
each batch, and a batch is the same however many devices share it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from drgn_tf.data import photometric
from drgn_tf.data.augmentation import (
    apply_symmetry,
    expose,
    random_exposure,
    random_offset,
    random_symmetry,
)
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.training_data import TrainingData
from drgn_tf.images.photos import DataError


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


def sampler(data: TrainingData, options: SampleOptions) -> Callable:
    """Returns a function for use inside a graph: sample number (int64) -> sample.

    A sample is a dict of float32: "low", "high" [crop, crop, 3], "thumbnail"
    [T, T, 3]; with `options.normal` also "normal", "normal_thumbnail".
    """
    crop_size = options.crop_size
    fraction = data.photometric_share(options)
    takes_pairs, takes_photos = fraction < 1.0, fraction > 0.0 or options.normal
    data.check_crop(options)
    draw_pair = _pair_source(data, crop_size) if takes_pairs else None
    draw_photo = _photo_source(data, crop_size) if takes_photos else None
    photos = len(data.normal)

    def sample_pair(number, seeds):
        pair = draw_pair(_shuffled(number, len(data.low), options.seed, 0), seeds[0])
        if not options.exposure_jitter:
            return pair
        low, high, thumbnail = pair
        factor = random_exposure(options.exposure_jitter, seeds[1])
        return expose(low, factor, data.low.peak), high, expose(thumbnail, factor)

    def sample_darkened(number, seeds):
        high, thumbnail = draw_photo(_shuffled(number, photos, options.seed, 1), seeds[0])
        parameters = photometric.draw_parameters(options.photometric, seeds[1])
        if options.photometric.colour:
            high, thumbnail = (photometric.recolour(x, parameters) for x in (high, thumbnail))
        low = photometric.darken(high, parameters, seeds[2], options.photometric.levels)
        return low, high, photometric.darken_thumbnail(thumbnail, parameters)

    def sample(number):
        key = tf.random.fold_in(tf.constant([options.seed, 0], tf.int64), number)
        seeds = tf.unstack(tf.random.split(key, 7))
        if fraction <= 0.0:
            low, high, thumbnail = sample_pair(number, seeds)
        elif fraction >= 1.0:
            low, high, thumbnail = sample_darkened(number, seeds)
        else:
            low, high, thumbnail = tf.cond(
                tf.random.stateless_uniform([], seeds[3]) < fraction,
                lambda: sample_darkened(number, seeds),
                lambda: sample_pair(number, seeds),
            )
        symmetry = random_symmetry(seeds[4])
        result = {
            "low": apply_symmetry(low, symmetry),
            "high": apply_symmetry(high, symmetry),
            "thumbnail": apply_symmetry(thumbnail, symmetry),
        }
        if options.normal:
            # An order of its own: unrelated to the photo of the pair.
            normal, thumbnail = draw_photo(_shuffled(number, photos, options.seed, 2), seeds[5])
            symmetry = random_symmetry(seeds[6])
            result["normal"] = apply_symmetry(normal, symmetry)
            result["normal_thumbnail"] = apply_symmetry(thumbnail, symmetry)
        return result

    return sample


def _pair_source(data: TrainingData, crop_size: int) -> Callable:
    low_crop, high_crop = data.low.cropper(), data.high.cropper()
    sizes, thumbnails = data.low.size_table(), tf.constant(data.thumbnails(data.low))

    def draw(index, seed):
        top, left = tf.unstack(random_offset(sizes[index], crop_size, seed))
        return (
            low_crop(index, top, left, crop_size),
            high_crop(index, top, left, crop_size),
            thumbnails[index],
        )

    return draw


def _photo_source(data: TrainingData, crop_size: int) -> Callable:
    crop = data.normal.cropper()
    sizes, thumbnails = data.normal.size_table(), tf.constant(data.thumbnails(data.normal))

    def draw(index, seed):
        top, left = tf.unstack(random_offset(sizes[index], crop_size, seed))
        return crop(index, top, left, crop_size), thumbnails[index]

    return draw


def _shuffled(number, count: int, seed: int, stream: int):
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
      options: how to draw samples.
      first_step: where to begin; the batches before are not computed.
      steps: where to end.
      shard: this worker's part.

    Returns:
      A dataset of batches for one device each; a worker's devices take turns. Worker 0's
      first device gets the first samples of a step, and so on.

    Raises:
      DataError: the batch does not divide among the devices, or a photo is too small.
    """
    devices = shard.count * shard.replicas
    if options.batch_size % devices:
        raise DataError(
            f"a batch of {options.batch_size} does not divide among {devices} devices; "
            f"choose --batch_size={max(1, options.batch_size // devices) * devices}."
        )
    size = options.batch_size // devices
    first, last = first_step * shard.replicas, steps * shard.replicas
    sample = sampler(data, options)

    def number(batch, within):
        step, device = batch // shard.replicas, batch % shard.replicas
        return ((step * shard.count + shard.index) * shard.replicas + device) * size + within

    dataset = tf.data.Dataset.range((last - first) * size).map(
        lambda position: sample(number(first + position // size, position % size)),
        tf.data.AUTOTUNE,
    )
    return dataset.batch(size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
