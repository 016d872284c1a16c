"""The networks of a run and their optimizers, as they are before the first step."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import keras

from drgn_tf.losses import LossOptions
from drgn_tf.models import DRGN, Discriminator, ModelFileError, load_model
from drgn_tf.training.options import RunOptions, TrainingOptions


@contextlib.contextmanager
def _layers_in(policy: str) -> Iterator[None]:
    """Layers made inside take this dtype policy."""
    earlier = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(earlier)


def _start_from(model: DRGN, path: pathlib.Path) -> None:
    trained = load_model(path)
    if trained.options != model.options:
        raise ModelFileError(
            f"{path}: holds another network ({trained.options}) than is to be trained "
            f"({model.options}); give the flags of the network that is in the file."
        )
    model.set_weights(trained.get_weights())


def make_model(options: RunOptions) -> DRGN:
    """Returns the network to train, with random weights or those to start from.

    Raises:
      ModelFileError: the weights to start from do not fit.
    """
    with _layers_in(options.training.precision):
        model = DRGN(options.model)
        model.build()
    if options.training.init_weights:
        _start_from(model, pathlib.Path(options.training.init_weights))
    return model


def make_discriminators(options: LossOptions) -> dict[str, Discriminator]:
    """Returns the discriminators that are used, by name."""
    discriminators = {}
    for name in options.adversarial_weights:
        discriminators[name] = Discriminator(
            options.discriminator_widths, name=f"discriminator_{name}"
        )
        discriminators[name].build()
    return discriminators


def make_schedule(
    peak: float, options: TrainingOptions
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns a rate that warms up from 0, then goes on a cosine down to a fraction of the peak."""
    warmup = min(options.warmup_steps, options.steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=options.steps - warmup,
        alpha=options.final_learning_rate_ratio,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


def make_optimizer(peak: float, options: TrainingOptions) -> keras.optimizers.Optimizer:
    """Returns Adam(0.9, 0.999) on that schedule.

    In float16 small gradients would vanish: there it is inside one that scales the loss.
    """
    adam = keras.optimizers.Adam(make_schedule(peak, options), beta_1=0.9, beta_2=0.999)
    if options.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(adam)
    return adam
