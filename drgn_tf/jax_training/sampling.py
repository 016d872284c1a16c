"""Training samples, made on the device that trains.

All photos are copied to the device once, as the integers they are in their files. A
step then needs nothing of the host but which photos it takes: crops, flips, exposures
and noise are drawn in the compiled step. The distributions are those of
`drgn_tf.data.dataset`; the random generator is JAX's, so the samples themselves differ.

Sample i of a run is a function of the run's seed and of i alone, as there: nothing has
to be saved to resume at any step, and batches do not depend on the number of devices.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp

from drgn_tf.brightness import GAMMA
from drgn_tf.data import SampleOptions, TrainingData
from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data.decoded_photos import PhotoStore
from drgn_tf.data.training_data import NORMAL_STREAM, Source


def photo_order(numbers: np.ndarray, count: int, seed: int, stream: int) -> np.ndarray:
    """Returns the photo of each sample: each of `count` once an epoch, in its own order.

    Args:
      numbers: int64, of samples, from 0.
      count: of photos.
      seed: of the run.
      stream: photos of different streams come in unrelated orders.
    """
    epochs = numbers // count
    photos = np.empty(numbers.shape, np.int32)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        order = np.random.default_rng([seed, stream, epoch]).permutation(count)
        photos[here] = order[numbers[here] % count]
    return photos


def _on_device(data: TrainingData, store: PhotoStore) -> dict[str, np.ndarray]:
    """Returns photos of any sizes as one array, each at the top left of its place."""
    height, width = np.max(store.sizes, axis=0)
    pixels = np.zeros((len(store), height, width, 3), store.pixels(0).dtype)
    for index, (height, width) in enumerate(store.sizes):
        pixels[index, :height, :width] = store.pixels(index)
    return {
        "pixels": pixels,
        "sizes": np.asarray(store.sizes, np.int32),
        "thumbnails": data.thumbnails(store),
        "brightness": data.brightness(store),
    }


class Sampler:
    """Draws the samples of one run.

    Args:
      data: photos.
      options: how to draw.

    Attributes:
      photos: nested dict of arrays, to be copied to the devices and given back to `sample`.

    Raises:
      UserError: a photo is too small.
    """

    def __init__(self, data: TrainingData, options: SampleOptions):
        data.check_crop(options)
        self._options = options
        self._live = [(i, x) for i, x in enumerate(data.sources(options)) if x.share > 0]
        self._ends = np.cumsum([source.share for _, source in self._live])[:-1]
        self._normal = data.normal_stores if options.normal else []
        stores = [x for _, source in self._live for x in (source.low, source.high)]
        # Once each, however many sources share them.
        places = {id(store): store for store in (*stores, *self._normal) if store is not None}
        self._names = {key: f"store_{place}" for place, key in enumerate(places)}
        self.photos = {self._names[key]: _on_device(data, store) for key, store in places.items()}

    def order(self, first_step: int, steps: int) -> dict[str, np.ndarray]:
        """Returns which photos these steps take, int32 [steps, batch] by stream."""
        batch, seed = self._options.batch_size, self._options.seed
        numbers = np.arange(first_step * batch, (first_step + steps) * batch, dtype=np.int64)
        counts = {stream: len(source.high) for stream, source in self._live}
        if self._normal:
            counts[NORMAL_STREAM] = sum(map(len, self._normal))
        return {
            str(stream): photo_order(numbers, count, seed, stream).reshape(steps, batch)
            for stream, count in counts.items()
        }

    def sample(self, photos: dict, number, order: dict) -> dict:
        """Makes one sample, inside a compiled function.

        Args:
          photos: `self.photos` on the device.
          number: int32, of the sample.
          order: int32 by stream, which photos to take.

        Returns:
          See `drgn_tf.data.dataset.sampler`.
        """
        options = self._options
        keys = jax.random.split(jax.random.fold_in(jax.random.key(options.seed), number), 9)
        drawn = [
            self._from_source(photos, source, order[str(stream)], keys)
            for stream, source in self._live
        ]
        chosen = jnp.sum(jax.random.uniform(keys[3]) >= self._ends)
        drawn = [jnp.stack(values)[chosen] for values in zip(*drawn)]
        *images, brightness = drawn
        result = dict(zip(("low", "high", "thumbnail"), _with_symmetry(images, keys[4])))
        result["brightness"] = brightness
        if self._normal:
            *images, brightness = self._normal_photo(photos, order[str(NORMAL_STREAM)], keys[5])
            names = ("normal", "normal_thumbnail")
            result.update(zip(names, _with_symmetry(images, keys[6])))
            result["normal_brightness"] = brightness
        return result

    def _crop(self, photos: dict, index, key):
        """Returns a part of a photo, the same for equal keys and sizes."""
        size = self._options.crop_size
        top, left = jax.random.randint(key, [2], 0, photos["sizes"][index] - size + 1)
        pixels = photos["pixels"]
        crop = jax.lax.dynamic_slice(pixels, (index, top, left, 0), (1, size, size, 3))[0]
        return crop.astype(jnp.float32) / jnp.iinfo(pixels.dtype).max

    def _from_source(self, photos: dict, source: Source, index, keys) -> list:
        """Returns low, high, the thumbnail of low, the brightness of high."""
        bright = photos[self._names[id(source.high)]]
        high = self._crop(bright, index, keys[0])
        thumbnail, brightness = bright["thumbnails"][index], bright["brightness"][index]
        if source.low is None:
            low, high, low_thumbnail, thumbnail, brightness = self._darkened(
                high, thumbnail, brightness, keys
            )
        else:
            low, low_thumbnail = self._low(photos[self._names[id(source.low)]], index, keys)
        high, brightness = self._relit(high, thumbnail, brightness, keys)
        return [low, high, low_thumbnail, brightness]

    def _low(self, dark: dict, index, keys):
        """Returns the low photo of a pair, and its thumbnail."""
        options = self._options
        low, thumbnail = self._crop(dark, index, keys[0]), dark["thumbnails"][index]
        jitter = options.exposure_jitter
        if jitter:
            factor = 2.0 ** jax.random.uniform(keys[1], [], jnp.float32, -jitter, jitter)
            # In steps of the file, as in a photo.
            levels = jnp.iinfo(dark["pixels"].dtype).max
            low = jnp.round(jnp.clip(low * factor, 0.0, 1.0) * levels) / levels
            thumbnail = jnp.clip(thumbnail * factor, 0.0, 1.0)
        if options.pair_files:
            unit = jax.random.uniform(keys[2], [simulation.DRAWS])
            parameters = simulation.file_parameters(options.photometric, unit)
            low = simulation.save_as_file(low, parameters, options.photometric)
        return low, thumbnail

    def _darkened(self, high, thumbnail, brightness, keys) -> tuple:
        """Returns low, high, the thumbnails of both, the brightness of high."""
        options = self._options.photometric
        unit = jax.random.uniform(keys[1], [simulation.DRAWS])
        parameters = simulation.scale_parameters(options, unit, thumbnail)
        if options.colour:
            before = jnp.mean(simulation.luma(thumbnail))
            high, thumbnail = (simulation.recolour(x, parameters) for x in (high, thumbnail))
            brightness *= jnp.mean(simulation.luma(thumbnail)) / jnp.maximum(before, 1e-3)
        side = simulation.largest_side(self._options.crop_size, options)
        normal = jax.random.normal(keys[2], (side, side, simulation.NOISE_CHANNELS))
        low = simulation.darken(high, parameters, normal, options)
        low_thumbnail = simulation.darken_thumbnail(thumbnail, parameters)
        if options.local_lift[1]:
            before = jnp.mean(simulation.luma(thumbnail))
            high = simulation.lift(high, parameters)
            thumbnail = simulation.lift(thumbnail, parameters, window=3)
            brightness *= jnp.mean(simulation.luma(thumbnail)) / jnp.maximum(before, 1e-3)
        return low, high, low_thumbnail, thumbnail, brightness

    def _relit(self, high, thumbnail, brightness, keys) -> tuple:
        options = self._options
        if not options.relight:
            return high, brightness
        most = options.relight / GAMMA
        factor = 2.0 ** jax.random.uniform(keys[7], [], jnp.float32, -most, most)
        factor = jnp.where(jax.random.uniform(keys[8]) < options.relight_share, factor, 1.0)
        before = jnp.mean(simulation.luma(thumbnail))
        after = jnp.mean(simulation.luma(simulation.relight(thumbnail, factor)))
        return simulation.relight(high, factor), brightness * after / jnp.maximum(before, 1e-3)

    def _normal_photo(self, photos: dict, index, key) -> list:
        """Returns a crop, its thumbnail and its brightness."""
        drawn, start = [], 0
        for store in self._normal:
            here = photos[self._names[id(store)]]
            # Of the stores that do not hold it, any photo.
            within = jnp.clip(index - start, 0, len(store) - 1)
            crop = self._crop(here, within, key)
            drawn.append([crop, here["thumbnails"][within], here["brightness"][within]])
            start += len(store)
        starts = np.cumsum([len(store) for store in self._normal])[:-1]
        place = jnp.sum(index >= starts)
        return [jnp.stack(values)[place] for values in zip(*drawn)]


def _with_symmetry(images: list, key) -> list:
    """Gives square images one and the same of the 8 flips and rotations of a square."""
    transposed, upside_down, mirrored = jax.random.bernoulli(key, shape=[3])

    def turn(image):
        image = jnp.where(transposed, image.swapaxes(0, 1), image)
        image = jnp.where(upside_down, image[::-1], image)
        return jnp.where(mirrored, image[:, ::-1], image)

    return [turn(image) for image in images]


def batch_sampler(sampler: Sampler) -> Callable:
    """Returns `sampler.sample` for many samples at once."""
    return jax.vmap(sampler.sample, in_axes=(None, 0, 0))
