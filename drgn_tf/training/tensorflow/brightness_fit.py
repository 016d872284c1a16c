"""Fits the brightness predictor of a trained network anew; everything else stays.

In training the predictor learns the photos by heart soon, while the rest of the network goes on
learning. It needs only the context of whole photos, a vector, so it can be fitted afterwards within
minutes, with noise against learning by heart, and with more photos in normal light:

    dark photos      thumbnails of the samples that a run would train on
    well-lit photos  thumbnails of references a little darker or brighter, of a luma at which they
                     are mistaken for dark ones; they are to stay
"""

from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from drgn_tf.brightness import BRIGHTEST, DARKEST, LUMA
from drgn_tf.data import PhotometricOptions, SampleOptions, Shard, TrainingData, training_dataset
from drgn_tf.errors import UserError
from drgn_tf.memory import available
from drgn_tf.models import DRGN
from drgn_tf.models.brightness import to_scale

# Smallest crops, as only the thumbnails of the samples are looked at.
_CROP = 16
_CHUNK = 256
_BATCH = 512
# Largest change of a well-lit reference, log2 of its sRGB values.
_DARKER, _BRIGHTER = -0.35, 0.25


@dataclasses.dataclass(frozen=True)
class BrightnessFitOptions:
    """How a predictor is fitted.

    Attributes:
      samples: dark photos that are drawn.
      steps: optimizer steps.
      learning_rate: peak of a cosine schedule.
      well_lit: share of well-lit photos among all, in [0, 1).
      well_lit_luma: least and greatest mean luma of these.
      exposure_jitter: of the low photos of pairs, see `SampleOptions`.
      context_noise: standard deviation of the noise on each element of the context, in units of its
        standard deviation over the photos.
      seed: of all random numbers, below 2^32.
    """

    samples: int = 61_440
    steps: int = 6_000
    learning_rate: float = 3e-3
    well_lit: float = 0.75
    well_lit_luma: tuple[float, float] = (0.24, 0.45)
    exposure_jitter: float = 1.0
    context_noise: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("samples", "steps", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}.")
        for name in ("exposure_jitter", "context_noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be below 2^32 and not negative, not {self.seed}.")
        if not 0 <= self.well_lit < 1:
            raise ValueError(f"well_lit must lie in [0, 1), not {self.well_lit}.")
        least, greatest = self.well_lit_luma
        if not 0 <= least < greatest <= 1:
            raise ValueError(f"well_lit_luma must rise within [0, 1], not {least:g},{greatest:g}.")


@dataclasses.dataclass(frozen=True)
class _Examples:
    """Float32: context [N, K], the photo's own brightness and the wanted one, on the scale, [N]."""

    context: np.ndarray
    own: np.ndarray
    wanted: np.ndarray


class _Describer:
    """The frozen part of a network: thumbnails to what the predictor gets."""

    def __init__(self, model: DRGN):
        size = model.options.thumbnail_size
        self._context = tf.function(
            lambda thumbnails: model.context_encoder(thumbnails)[:, 0, 0],
            input_signature=[tf.TensorSpec([None, size, size, 3])],
            autograph=False,
        )

    def __call__(self, thumbnails: np.ndarray, wanted: np.ndarray) -> _Examples:
        parts = [
            self._context(thumbnails[start : start + _CHUNK]).numpy()
            for start in range(0, len(thumbnails), _CHUNK)
        ]
        own = thumbnails.mean((1, 2)) @ np.asarray(LUMA, np.float32)
        return _Examples(np.concatenate(parts), _on_scale(own), _on_scale(wanted))


def _on_scale(brightness: np.ndarray) -> np.ndarray:
    return np.asarray(to_scale(np.clip(brightness, DARKEST, BRIGHTEST).astype(np.float32)))


def _dark(
    describe: _Describer,
    data: TrainingData,
    photometric: PhotometricOptions,
    options: BrightnessFitOptions,
) -> _Examples:
    samples = SampleOptions(
        crop_size=_CROP,
        batch_size=_CHUNK,
        seed=options.seed,
        photometric=dataclasses.replace(photometric, well_lit=0.0),
        exposure_jitter=options.exposure_jitter,
    )
    batches = training_dataset(data, samples, 0, math.ceil(options.samples / _CHUNK), Shard())
    thumbnails, wanted = [], []
    for batch in batches:
        thumbnails.append(batch["thumbnail"].numpy())
        wanted.append(batch["brightness"].numpy().reshape(-1))
    return describe(np.concatenate(thumbnails), np.concatenate(wanted))


def _well_lit(
    describe: _Describer, data: TrainingData, count: int, options: BrightnessFitOptions
) -> _Examples:
    stores = [*data.normal_stores, *(x.high for x in data.extra if x.low is not None)]
    if data.pairs is not None and data.normal is not data.pairs.high:
        stores.append(data.pairs.high)
    all_thumbnails = np.concatenate([data.thumbnails(store) for store in stores])
    random = np.random.default_rng(options.seed)
    least, greatest = options.well_lit_luma
    kept: list[np.ndarray] = []
    # A few rounds: most photos are within the range at some exposure.
    for _ in range(100):
        factors = 2.0 ** random.uniform(_DARKER, _BRIGHTER, len(all_thumbnails))
        thumbnails = np.clip(all_thumbnails * factors[:, None, None, None], 0, 1)
        mirrored = random.random(len(thumbnails)) < 0.5
        thumbnails[mirrored] = thumbnails[mirrored, :, ::-1]
        luma = thumbnails.mean((1, 2)) @ np.asarray(LUMA, np.float32)
        kept.append(thumbnails[(least < luma) & (luma < greatest)].astype(np.float32))
        if sum(map(len, kept)) >= min(count, 10 * len(all_thumbnails)):
            break
    found = np.concatenate(kept)
    if not len(found):
        raise UserError(
            f"no photo in normal light has a mean luma from {least:g} to {greatest:g}; widen "
            "--well_lit_luma, or give --well_lit=0."
        )
    chosen = found[random.integers(0, len(found), count)]
    return describe(chosen, chosen.mean((1, 2)) @ np.asarray(LUMA, np.float32))


def fit_brightness(
    model: DRGN,
    data: TrainingData,
    photometric: PhotometricOptions,
    options: BrightnessFitOptions,
) -> float:
    """Replaces the weights of the brightness predictor.

    Args:
      model: trained; only its predictor changes.
      data: photos of a run; the shares of its sources are those of the dark photos.
      photometric: how normal-light photos are darkened.
      options: of the fit.

    Returns:
      The mean absolute error of the last tenth of the steps, with noise, on the scale (powers of
      two).

    Raises:
      UserError: the network predicts no brightness, no photo is well lit, the photos need more
        memory than there is, or the fit diverges.
    """
    if model.brightness_predictor is None:
        raise UserError("this network was made without brightness: it predicts none.")
    _check_memory(model, options)
    describe = _Describer(model)
    parts = [_dark(describe, data, photometric, options)]
    count = round(len(parts[0].own) * options.well_lit / (1 - options.well_lit))
    if count:
        parts.append(_well_lit(describe, data, count, options))
    context, own, wanted = (
        np.concatenate([getattr(part, field.name) for part in parts])
        for field in dataclasses.fields(_Examples)
    )
    mean, deviation = context.mean(0), context.std(0) + 1e-6
    normal = (context - mean) / deviation

    keras.utils.set_random_seed(options.seed)
    predictor = model.brightness_predictor
    # On normalised contexts and anew: what was learnt by heart is forgotten.
    fitted = type(predictor)(predictor.width)
    fitted.build((None, 1, 1, context.shape[1]))
    # A start from 0 would be stuck where all photos are brighter than the middle.
    fitted.output_layer.kernel.assign(keras.initializers.GlorotUniform()((1, 1, fitted.width, 1)))
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(fitted.trainable_variables)

    def descend(context: tf.Tensor, own: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = fitted(context[:, None, None], own[:, None, None, None])[:, 0, 0, 0]
            loss = ops.mean(ops.abs(predicted - wanted))
        variables = fitted.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    step = tf.function(descend, autograph=False)
    random = np.random.default_rng([options.seed, 1])
    errors = []
    for _ in range(options.steps):
        index = random.integers(0, len(own), _BATCH)
        noise = random.normal(0.0, options.context_noise, (_BATCH, normal.shape[1]))
        batch = (normal[index] + noise).astype(np.float32)
        errors.append(step(batch, own[index], wanted[index]))
    _denormalise(fitted, mean, deviation)
    if not all(np.isfinite(weights).all() for weights in fitted.get_weights()):
        raise UserError("the fit diverged; give a lower --learning_rate or less noise.")
    predictor.set_weights(fitted.get_weights())
    return float(np.mean(errors[-max(1, options.steps // 10) :]))


def _check_memory(model: DRGN, options: BrightnessFitOptions) -> None:
    """Raises UserError if the thumbnails alone need more memory than there is."""
    needed = 12 * model.options.thumbnail_size**2 * options.samples / (1 - options.well_lit)
    free = available()
    if free is not None and needed > free:
        raise UserError(
            f"{options.samples} samples need at least {needed / 1e9:.1f} GB of memory, of which "
            f"{free / 1e9:.1f} GB are free; give fewer --samples, or less --well_lit."
        )


def _denormalise(predictor: keras.Layer, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Makes a predictor of normalised contexts one of contexts."""
    kernel = predictor.hidden.kernel.numpy()[0, 0] / deviation[:, None]
    predictor.hidden.bias.assign(predictor.hidden.bias.numpy() - mean @ kernel)
    predictor.hidden.kernel.assign(kernel[None, None])
