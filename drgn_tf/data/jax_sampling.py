"""Training samples, drawn with JAX on the device that trains.

All photos are copied to the device once, as the integers they are in their files. A
step then needs nothing of the host but which photos it takes: crops, flips, exposures
and noise are drawn in the compiled step. Which samples these are, and why a number tells
all of one, says `drgn_tf.data.sampling`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from drgn_tf.brightness import GAMMA
from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data import sampling
from drgn_tf.data.decoded_photos import PhotoStore
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.sampling import NORMAL_KEYS, PAIR_KEYS, Draw, plan_samples
from drgn_tf.data.training_data import NORMAL_STREAM, Source, TrainingData
from drgn_tf.tensors import Tensor


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


def _on_cpu() -> contextlib.AbstractContextManager[Any]:
    """For what has as many shapes as there are photos: a GPU compiles seconds for each."""
    try:
        return jax.default_device(jax.devices("cpu")[0])
    except RuntimeError:
        # JAX_PLATFORMS leaves it out.
        return contextlib.nullcontext()


def _on_device(data: TrainingData, store: PhotoStore) -> dict[str, np.ndarray]:
    """Returns photos of any sizes as one array, each at the top left of its place."""
    height, width = np.max(store.sizes, axis=0)
    pixels = np.zeros((len(store), height, width, 3), store.pixels(0).dtype)
    for index, (height, width) in enumerate(store.sizes):
        pixels[index, :height, :width] = store.pixels(index)
    with _on_cpu():
        thumbnails = data.thumbnails(store)
    return {
        "pixels": pixels,
        "sizes": np.asarray(store.sizes, np.int32),
        "thumbnails": thumbnails,
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

    def __init__(self, data: TrainingData, options: SampleOptions) -> None:
        self._options = options
        self._plan = plan_samples(data, options)
        stores = [x for _, source in self._plan.sources for x in (source.low, source.high)]
        # Once each, however many sources share them.
        places = {id(x): x for x in (*stores, *self._plan.normal) if x is not None}
        self._names = {key: f"store_{place}" for place, key in enumerate(places)}
        self.photos = {self._names[key]: _on_device(data, store) for key, store in places.items()}

    def order(self, first_step: int, steps: int) -> dict[str, np.ndarray]:
        """Returns which photos these steps take, int32 [steps, batch] by stream."""
        batch, seed = self._options.batch_size, self._options.seed
        numbers = np.arange(first_step * batch, (first_step + steps) * batch, dtype=np.int64)
        counts = {stream: len(source.high) for stream, source in self._plan.sources}
        if self._plan.normal:
            counts[NORMAL_STREAM] = sum(map(len, self._plan.normal))
        return {
            str(stream): photo_order(numbers, count, seed, stream).reshape(steps, batch)
            for stream, count in counts.items()
        }

    def sample(
        self, photos: dict[str, Tensor], number: Tensor, order: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Makes one sample, inside a compiled function.

        Args:
          photos: `self.photos` on the device.
          number: int32, of the sample.
          order: int32 by stream, which photos to take.

        Returns:
          A dict of what `drgn_tf.data.sampling` names.
        """
        key = jax.random.fold_in(jax.random.key(self._options.seed), number)
        keys = jax.random.split(key, len(Draw))
        drawn = [
            self._from_source(photos, source, order[str(stream)], keys)
            for stream, source in self._plan.sources
        ]
        chosen = jnp.sum(jax.random.uniform(keys[Draw.SOURCE]) >= self._plan.ends)
        images = [jnp.stack(values)[chosen] for values in zip(*drawn)]
        result = _turned(PAIR_KEYS, images, keys[Draw.SYMMETRY])
        if self._plan.normal:
            normal = self._normal_photo(photos, order[str(NORMAL_STREAM)], keys[Draw.NORMAL_CROP])
            result.update(_turned(NORMAL_KEYS, normal, keys[Draw.NORMAL_SYMMETRY]))
        return result

    def _crop(self, photos: dict[str, Tensor], index: Tensor, key: Tensor) -> Tensor:
        """Returns a part of a photo, the same for equal keys and sizes."""
        size = self._options.crop_size
        top, left = jax.random.randint(key, [2], 0, photos["sizes"][index] - size + 1)
        pixels = photos["pixels"]
        crop = jax.lax.dynamic_slice(pixels, (index, top, left, 0), (1, size, size, 3))[0]
        return crop.astype(jnp.float32) / jnp.iinfo(pixels.dtype).max

    def _from_source(
        self, photos: dict[str, Tensor], source: Source, index: Tensor, keys: Tensor
    ) -> list[Tensor]:
        """Returns low, high, the thumbnail of low, the brightness of high."""
        bright = photos[self._names[id(source.high)]]
        high = self._crop(bright, index, keys[Draw.CROP])
        thumbnail, brightness = bright["thumbnails"][index], bright["brightness"][index]
        if source.low is None:
            low, high, low_thumbnail, thumbnail, brightness = self._darkened(
                high, thumbnail, brightness, keys
            )
        else:
            low, low_thumbnail = self._low(
                photos[self._names[id(source.low)]], index, high, thumbnail, keys
            )
        if self._options.relight:
            most = self._options.relight / GAMMA
            factor = _exposure(keys[Draw.RELIGHT], most)
            changed = jax.random.uniform(keys[Draw.RELIGHT_CHOICE]) < self._options.relight_share
            factor = jnp.where(changed, factor, 1.0)
            high, brightness = sampling.relit(high, thumbnail, brightness, factor)
        return [low, high, low_thumbnail, brightness]

    def _low(
        self,
        dark: dict[str, Tensor],
        index: Tensor,
        high: Tensor,
        high_thumbnail: Tensor,
        keys: Tensor,
    ) -> tuple[Tensor, ...]:
        """Returns the low photo of a pair, and its thumbnail."""
        options = self._options
        low, thumbnail = self._crop(dark, index, keys[Draw.CROP]), dark["thumbnails"][index]
        if options.exposure_jitter:
            factor = _exposure(keys[Draw.DEGRADATION], options.exposure_jitter)
            low = sampling.expose(low, factor, jnp.iinfo(dark["pixels"].dtype).max)
            thumbnail = sampling.expose(thumbnail, factor)
        unit = jax.random.uniform(keys[Draw.NOISE], [simulation.DRAWS])
        return sampling.saved_low(low, thumbnail, high, high_thumbnail, unit, options)

    def _darkened(
        self, high: Tensor, thumbnail: Tensor, brightness: Tensor, keys: Tensor
    ) -> tuple[Tensor, ...]:
        """See `drgn_tf.data.sampling.darkened`."""
        options = self._options.photometric
        unit = jax.random.uniform(keys[Draw.DEGRADATION], [simulation.DRAWS])
        parameters = simulation.scale_parameters(options, unit, thumbnail)
        side = simulation.largest_side(self._options.crop_size, options)
        noise = jax.random.normal(keys[Draw.NOISE], (side, side, simulation.NOISE_CHANNELS))
        return sampling.darkened(
            high,
            thumbnail,
            brightness,
            parameters,
            lambda crop: simulation.darken(crop, parameters, noise, options),
            options,
        )

    def _normal_photo(self, photos: dict[str, Tensor], index: Tensor, key: Tensor) -> list[Tensor]:
        """Returns a crop, its thumbnail and its brightness."""
        drawn, start = [], 0
        for store in self._plan.normal:
            here = photos[self._names[id(store)]]
            # Of the stores that do not hold it, any photo.
            within = jnp.clip(index - start, 0, len(store) - 1)
            crop = self._crop(here, within, key)
            drawn.append([crop, here["thumbnails"][within], here["brightness"][within]])
            start += len(store)
        starts = np.cumsum([len(store) for store in self._plan.normal])[:-1]
        place = jnp.sum(index >= starts)
        return [jnp.stack(values)[place] for values in zip(*drawn)]


def _exposure(key: Tensor, jitter: float) -> Tensor:
    """Draws a factor whose log2 is uniform in [-jitter, jitter]."""
    return 2.0 ** jax.random.uniform(key, [], jnp.float32, -jitter, jitter)


def _turned(names: tuple[str, ...], images: list[Tensor], key: Tensor) -> dict[str, Tensor]:
    """Returns square images, all turned alike, and the brightness behind them, by name."""
    transposed, upside_down, mirrored = jax.random.bernoulli(key, shape=[3])
    *images, brightness = images

    def turn(image: Tensor) -> Tensor:
        image = jnp.where(transposed, image.swapaxes(0, 1), image)
        image = jnp.where(upside_down, image[::-1], image)
        return jnp.where(mirrored, image[:, ::-1], image)

    return dict(zip(names, [*map(turn, images), brightness]))


def batch_sampler(sampler: Sampler) -> Callable[..., Tensor]:
    """Returns `sampler.sample` for many samples at once."""
    return jax.vmap(sampler.sample, in_axes=(None, 0, 0))
