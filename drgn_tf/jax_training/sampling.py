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

from drgn_tf.data import SampleOptions, TrainingData
from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data.decoded_photos import PhotoStore


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


def _on_device(store: PhotoStore, thumbnails: np.ndarray) -> dict[str, np.ndarray]:
    """Returns photos of any sizes as one array, each at the top left of its place."""
    height, width = np.max(store.sizes, axis=0)
    pixels = np.zeros((len(store), height, width, 3), store.pixels(0).dtype)
    for index, (height, width) in enumerate(store.sizes):
        pixels[index, :height, :width] = store.pixels(index)
    return {
        "pixels": pixels,
        "sizes": np.asarray(store.sizes, np.int32),
        "thumbnails": thumbnails,
    }


class Sampler:
    """Draws the samples of one run.

    Args:
      data: photos.
      options: how to draw.

    Attributes:
      photos: nested dict of arrays, to be copied to the devices and given back to `sample`.

    Raises:
      DataError: a photo is too small.
    """

    def __init__(self, data: TrainingData, options: SampleOptions):
        data.check_crop(options)
        self._options = options
        self._fraction = data.photometric_share(options)
        # The photos of each stream; the third is an order of its own, unrelated to the pairs.
        self._counts = {}
        self.photos = {}
        if self._fraction < 1.0:
            self._counts["pair"] = len(data.low)
            self.photos["low"] = _on_device(data.low, data.thumbnails(data.low))
            self.photos["high"] = _on_device(data.high, data.thumbnails(data.high))
        if self._fraction > 0.0:
            self._counts["darkened"] = len(data.normal)
        if options.normal:
            self._counts["normal"] = len(data.normal)
        if self._fraction > 0.0 or options.normal:
            if data.normal is data.high and "high" in self.photos:
                self.photos["normal"] = self.photos["high"]
            else:
                self.photos["normal"] = _on_device(data.normal, data.thumbnails(data.normal))

    def order(self, first_step: int, steps: int) -> dict[str, np.ndarray]:
        """Returns which photos these steps take, int32 [steps, batch] by stream."""
        batch = self._options.batch_size
        numbers = np.arange(first_step * batch, (first_step + steps) * batch, dtype=np.int64)
        return {
            name: photo_order(numbers, count, self._options.seed, stream).reshape(steps, batch)
            for stream, (name, count) in enumerate(self._counts.items())
        }

    def sample(self, photos: dict, number, order: dict) -> dict:
        """Makes one sample, inside a compiled function.

        Args:
          photos: `self.photos` on the device.
          number: int32, of the sample.
          order: int32 by stream, which photos to take.

        Returns:
          float32: "low", "high" [crop, crop, 3], "thumbnail" [T, T, 3]; with
          `options.normal` also "normal", "normal_thumbnail".
        """
        options = self._options
        keys = jax.random.split(jax.random.fold_in(jax.random.key(options.seed), number), 7)
        drawn = []
        if self._fraction < 1.0:
            drawn.append(self._pair(photos, order["pair"], keys))
        if self._fraction > 0.0:
            drawn.append(self._darkened(photos["normal"], order["darkened"], keys))
        if len(drawn) == 2:
            darkened = jax.random.uniform(keys[3]) < self._fraction
            drawn = [[jnp.where(darkened, b, a) for a, b in zip(*drawn)]]
        names = ("low", "high", "thumbnail")
        result = dict(zip(names, _with_symmetry(drawn[0], keys[4])))
        if options.normal:
            (normal,), thumbnail = self._crops([photos["normal"]], order["normal"], keys[5])
            names = ("normal", "normal_thumbnail")
            result.update(zip(names, _with_symmetry([normal, thumbnail], keys[6])))
        return result

    def _crops(self, stores: list[dict], index, key):
        """Returns the same part of a photo in each store, and the first one's thumbnail."""
        size = self._options.crop_size
        room = stores[0]["sizes"][index] - size + 1
        top, left = jax.random.randint(key, [2], 0, room)
        crops = []
        for store in stores:
            pixels = store["pixels"]
            crop = jax.lax.dynamic_slice(pixels, (index, top, left, 0), (1, size, size, 3))[0]
            crops.append(crop.astype(jnp.float32) / jnp.iinfo(pixels.dtype).max)
        return crops, stores[0]["thumbnails"][index]

    def _pair(self, photos: dict, index, keys) -> list:
        (low, high), thumbnail = self._crops([photos["low"], photos["high"]], index, keys[0])
        jitter = self._options.exposure_jitter
        if jitter:
            factor = 2.0 ** jax.random.uniform(keys[1], [], jnp.float32, -jitter, jitter)
            # In steps of the file, as in a photo.
            levels = jnp.iinfo(photos["low"]["pixels"].dtype).max
            low = jnp.round(jnp.clip(low * factor, 0.0, 1.0) * levels) / levels
            thumbnail = jnp.clip(thumbnail * factor, 0.0, 1.0)
        return [low, high, thumbnail]

    def _darkened(self, normal: dict, index, keys) -> list:
        options = self._options.photometric
        (high,), thumbnail = self._crops([normal], index, keys[0])
        parameters = simulation.scale_parameters(
            options, jax.random.uniform(keys[1], [simulation.DRAWS])
        )
        if options.colour:
            high, thumbnail = (simulation.recolour(x, parameters) for x in (high, thumbnail))
        light = simulation.expose(high, parameters)
        photon_key, read_key = jax.random.split(keys[2])
        photons = parameters["photons"]
        light = jax.random.poisson(photon_key, light * photons).astype(jnp.float32) / photons
        light += parameters["read_noise"] * jax.random.normal(read_key, light.shape)
        low = simulation.develop(light, options.levels)
        return [low, high, simulation.darken_thumbnail(thumbnail, parameters)]


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
