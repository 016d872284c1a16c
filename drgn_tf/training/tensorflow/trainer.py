"""The players, and the step that improves them, under any `tf.distribute` strategy.

One step, on each device: both players' gradients from one forward pass (in several
micro-batches, one after the other, where `gradient_accumulation_steps` asks for it), added up
over the devices, clipped, applied; then the averaged weights follow. Several such steps are one
call into the graph, which fetches the batches itself.

Mixed precision: layers of the generators compute in 16 bits; weights, images, losses,
averages and the discriminators stay in 32 (spectral normalisation writes its weights in
every step, and would round them for good). What is saved is a float32 network in any case.
"""

from __future__ import annotations

import functools
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from drgn_tf import losses, metrics
from drgn_tf.errors import UserError
from drgn_tf.files import first_line
from drgn_tf.losses import LossOptions
from drgn_tf.models import DRGN, Discriminator
from drgn_tf.tensors import Tensor
from drgn_tf.training.factories import make_discriminators, make_model, make_optimizer
from drgn_tf.training.flat import joined, parted, vector_of
from drgn_tf.training.options import RunOptions
from drgn_tf.training.tensorflow.strategy import worker_count


class TensorFlowTrainer:
    """Generators, discriminators, optimizers, averaged weights and the step; see `Trainer`.

    Args:
      strategy: from `tf.distribute`; the default one for a single device.
      options: of the run.
      batches: returns an iterator over the (distributed) batches from a step on, see
        `drgn_tf.losses.objective`. Called before the first step.

    Attributes:
      model: the `DRGN` that is trained.
      discriminators: "low" and "degradation", those that play.

    Raises:
      ModelFileError: the weights to start from do not fit.
      UserError: the batch does not divide among devices and micro-batches.
    """

    state_suffix = ".index"

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        options: RunOptions,
        batches: Callable[[int], Iterator[Any]],
    ):
        keras.utils.set_random_seed(options.training.seed)
        self._strategy = strategy
        self._workers = worker_count(strategy)
        self._make_batches = batches
        self._batches: Iterator[Any] | None = None
        # Also kept here: what a device computes is waited for only where it is looked at.
        self._done = 0
        self._loss: LossOptions = losses.for_model(options.loss, options.model)
        self._training = options.training
        self._steps_per_call = options.cadence.steps_per_call
        self._model_options = options.model
        self._synthetic = self._loss.synthetic
        micro_batches = self._training.gradient_accumulation_steps
        parts = strategy.num_replicas_in_sync * micro_batches
        if self._training.batch_size % parts:
            raise UserError(
                f"a batch of {self._training.batch_size} does not divide among "
                f"{strategy.num_replicas_in_sync} devices and {micro_batches} "
                f"micro-batches each; choose --batch_size="
                f"{max(1, self._training.batch_size // parts) * parts}."
            )
        with strategy.scope():
            self._step_variable = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
            self.model = make_model(options)
            self._generator_optimizer = make_optimizer(
                options.training.learning_rate, options.training
            )
            # What the optimizer changes; the weights of the network follow it.
            self._weights = vector_of(self.model.trainable_variables)
            # Keras' optimizers must know their variables before the first step.
            self._generator_optimizer.build([self._weights])
            self._averages = tf.Variable(self._weights.value, trainable=False, name="averages")
            self.discriminators: dict[str, Discriminator] = {}
            self._discriminator_optimizer: Any = None
            if self._synthetic:
                self.discriminators = make_discriminators(options.loss)
            if self.discriminators:
                self._discriminator_optimizer = make_optimizer(
                    options.training.discriminator_learning_rate, options.training
                )
                self._discriminator_optimizer.build(self._discriminator_variables)
        self._checkpoint = tf.train.Checkpoint(**self._state)
        self._compute: Callable[..., Tensor] = self._gradients
        if self._training.xla:
            self._compute = tf.function(self._gradients, jit_compile=True, autograph=False)
        # Nothing in a step needs AutoGraph, whose reading of the sources takes seconds.
        self._plain_steps, self._synthetic_steps = (
            tf.function(functools.partial(self._steps, synthetic=synthetic), autograph=False)
            for synthetic in (False, True)
        )

    @property
    def _state(self) -> dict[str, list[tf.Variable]]:
        """Everything a run needs to go on, as keywords of `tf.train.Checkpoint`."""
        # Not the parts themselves: Checkpoint misses Keras layers that are kept in lists.
        parts = {"model": self.model, "generator_optimizer": self._generator_optimizer}
        parts.update({f"discriminator_{name}": part for name, part in self.discriminators.items()})
        if self.discriminators:
            parts["discriminator_optimizer"] = self._discriminator_optimizer
        variables = {name: [v.value for v in part.variables] for name, part in parts.items()}
        return {**variables, "averages": [self._averages], "step": [self._step_variable]}

    @property
    def state_bytes(self) -> int:
        """Size of one checkpoint on disk, without its small index."""
        return sum(
            variable.dtype.size * math.prod(variable.shape)
            for variables in self._state.values()
            for variable in variables
        )

    def save_state(self, path: pathlib.Path) -> None:
        """Writes `path`.data-... and `path`.index."""
        try:
            self._checkpoint.write(str(path))
        except tf.errors.OpError as error:
            raise OSError(first_line(error)) from error

    def load_state(self, path: pathlib.Path) -> None:
        """Goes on from what `save_state` wrote."""
        try:
            self._checkpoint.read(str(path)).assert_consumed()
        except (AssertionError, IndexError, tf.errors.OpError) as error:
            raise ValueError(first_line(error)) from error
        self._weights.assign(joined([v.value for v in self.model.trainable_variables]))
        self._done = int(self._step_variable.numpy())
        self._batches = None

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self._done

    @property
    def scalar_names(self) -> list[str]:
        """What `train_steps` may report."""
        return self._reported(self._synthetic)

    @property
    def learning_rate(self) -> float:
        """The generators' rate at the next step."""
        return float(self._generator_optimizer.learning_rate)

    def _reported(self, synthetic: bool) -> list[str]:
        names = ["loss", *losses.term_names(self._loss, synthetic), "psnr", "gradient_norm"]
        names += ["discriminator_gradient_norm"] * bool(synthetic and self.discriminators)
        return names + ["loss_scale"] * (self._training.precision == "mixed_float16")

    @property
    def _discriminator_variables(self) -> list[Tensor]:
        return [
            variable
            for discriminator in self.discriminators.values()
            for variable in discriminator.trainable_variables
        ]

    def averaged_model(self) -> DRGN:
        """Returns a network of its own, outside of the strategy, for `load_averages`."""
        model = DRGN(self._model_options, name="drgn")
        model.build()
        return model

    def load_averages(self, model: DRGN) -> None:
        """Copies the averaged weights into `model`."""
        variables = model.trainable_variables
        for variable, average in zip(variables, parted(self._averages.numpy(), variables)):
            variable.assign(average)

    def train_steps(self, count: int, stop: bool) -> tuple[dict[str, tf.Tensor], bool]:
        """Makes steps in one call into the graph, see `Trainer`."""
        if self._batches is None:
            self._batches = self._make_batches(self._done)
        scalars = self.run_steps(self._batches, count, stop)
        asked = scalars.pop("stop")
        # Several workers must leave after the same step, so they ask the step itself;
        # one need not wait for its result.
        return scalars, float(asked[-1]) > 0 if self._workers > 1 else stop

    def run_steps(
        self, batches: Iterator[Any], count: int = 1, stop: bool = False
    ) -> dict[str, tf.Tensor]:
        """Makes steps on given batches, otherwise as `train_steps`.

        Returns:
          Also "stop" [count], positive if any worker was asked to stop; and "gradient_norm" is 0
          where float16 overflowed and the step was left out.
        """
        count = min(count, self._steps_per_call)
        synthetic = self._synthetic and self._done >= self._loss.synthetic_start
        if self._synthetic and not synthetic:
            # The graph of the synthetic path is another one.
            count = min(count, self._loss.synthetic_start - self._done)
        run = self._synthetic_steps if synthetic else self._plain_steps
        rows = run(batches, tf.constant(count), tf.constant(float(stop)))
        self._done += count
        return dict(zip([*self._reported(synthetic), "stop"], tf.unstack(rows, axis=1)))

    def _ramp(self) -> Tensor:
        done = tf.cast(self._step_variable - self._loss.synthetic_start + 1, tf.float32)
        return tf.clip_by_value(done / max(1, self._loss.synthetic_ramp), 0.0, 1.0)

    def _steps(self, batches: Tensor, count: Tensor, stop: Tensor, synthetic: bool) -> Tensor:
        """Returns the scalars of each step, [count, scalars]."""
        if self._steps_per_call == 1:
            # A loop would take longer to build.
            return self._step(batches, stop, synthetic)[tf.newaxis]
        names = [*self._reported(synthetic), "stop"]
        rows = tf.TensorArray(tf.float32, count, element_shape=[len(names)])

        def step(index: Tensor, rows: Tensor) -> Tensor:
            return index + 1, rows.write(index, self._step(batches, stop, synthetic))

        _, rows = tf.while_loop(
            lambda index, _: index < count, step, (0, rows), parallel_iterations=1
        )
        return rows.stack()

    def _step(self, batches: Tensor, stop: Tensor, synthetic: bool) -> Tensor:
        """Makes a step; returns its scalars as one tensor."""
        ramp = self._ramp() if synthetic else None
        scalars = self._strategy.run(self._replica_step, args=(next(batches), ramp, stop))
        means = self._strategy.reduce(tf.distribute.ReduceOp.MEAN, scalars, axis=None)
        self._update_weights()
        self._update_averages()
        self._step_variable.assign_add(1)
        return means

    def _replica_step(self, batch: Tensor, ramp: Tensor, stop: Tensor) -> Tensor:
        gradients, discriminator_gradients, scalars = self._accumulated_gradients(batch, ramp)
        scalars["gradient_norm"] = self._descend(
            [joined(gradients)], [self._weights], self._generator_optimizer
        )
        if ramp is not None and self.discriminators:
            scalars["discriminator_gradient_norm"] = self._descend(
                discriminator_gradients,
                self._discriminator_variables,
                self._discriminator_optimizer,
            )
        if self._training.precision == "mixed_float16":
            scalars["loss_scale"] = self._generator_optimizer.scale_loss(1.0)
        # In one piece: each exchange between devices has its price.
        return tf.stack([*(scalars[name] for name in self._reported(ramp is not None)), stop])

    def _accumulated_gradients(self, batch: Tensor, ramp: Tensor) -> Tensor:
        """Returns what `_gradients` does, from as many micro-batches as the options say."""
        parts = self._training.gradient_accumulation_steps
        if parts == 1:
            return self._compute(batch, ramp)
        split = {name: tf.reshape(x, [parts, -1, *x.shape[1:]]) for name, x in batch.items()}

        def add(index: Tensor, total: Tensor) -> Tensor:
            part = self._compute({name: x[index] for name, x in split.items()}, ramp)
            return index + 1, tf.nest.map_structure(lambda a, b: a + b / parts, total, part)

        synthetic = ramp is not None
        variables = [self.model.trainable_variables, []]
        if synthetic:
            variables[1] = self._discriminator_variables
        terms = ["loss", *losses.term_names(self._loss, synthetic), "psnr"]
        zero = (
            *([tf.zeros_like(v.value) for v in player] for player in variables),
            {name: tf.zeros(()) for name in terms},
        )
        # One after the other, or all their activations would be there at once.
        _, total = tf.while_loop(
            lambda index, _: index < parts, add, (0, zero), parallel_iterations=1
        )
        return total

    def _gradients(self, batch: Tensor, ramp: Tensor) -> Tensor:
        """Returns the players' gradients, of losses as their optimizers scale them, and scalars."""
        # The reduction over devices adds up.
        devices = self._strategy.num_replicas_in_sync
        discriminator_optimizer = None if ramp is None else self._discriminator_optimizer
        with tf.GradientTape(persistent=True) as tape:
            loss, discriminator_loss, terms, images = losses.objective(
                self.model, self.discriminators, batch, self._loss, ramp
            )
            scaled = self._generator_optimizer.scale_loss(loss / devices)
            if discriminator_optimizer is not None:
                scaled_discriminator = discriminator_optimizer.scale_loss(
                    discriminator_loss / devices
                )

        def gradients(target: Tensor, variables: Tensor) -> Tensor:
            return tape.gradient(
                target,
                [v.value for v in variables],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )

        enhanced = tf.clip_by_value(images["enhanced"], 0.0, 1.0)
        return (
            gradients(scaled, self.model.trainable_variables),
            gradients(scaled_discriminator, self._discriminator_variables)
            if discriminator_optimizer is not None
            else [],
            {
                "loss": loss,
                **terms,
                "psnr": tf.reduce_mean(metrics.psnr(enhanced, batch["high"])),
            },
        )

    def _descend(self, gradients: Tensor, variables: Tensor, optimizer: Tensor) -> Tensor:
        """Applies the clipped gradient of the whole batch; returns its norm before clipping."""
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        scale = optimizer.scale_loss(1.0)
        # NaN where float16 overflowed; the optimizer then leaves the step out.
        gradients, norm = tf.clip_by_global_norm(gradients, self._training.clip_norm * scale)

        # Keras adds up the devices' gradients too, but after clipping each, so that the
        # step would depend on their number. These are equal: their sum is one of them.
        shares = [gradient / context.num_replicas_in_sync for gradient in gradients]
        optimizer.apply(shares, variables)
        if self._training.precision == "mixed_float16":
            norm = tf.where(tf.math.is_finite(norm), norm / scale, 0.0)
        return norm

    def _update_weights(self) -> None:
        def update(weights: Tensor, variables: Tensor) -> Tensor:
            for variable, value in zip(variables, parted(weights, variables)):
                variable.assign(value)

        # On each device from its own copy.
        variables = tuple(v.value for v in self.model.trainable_variables)
        self._strategy.extended.update(self._weights.value, update, args=(variables,), group=False)

    def _update_averages(self) -> None:
        # A shorter memory at first, or the initial weights would linger.
        done = tf.cast(self._step_variable, tf.float32)
        decay = tf.minimum(self._training.ema_decay, (1.0 + done) / (10.0 + done))

        def update(average: Tensor, value: Tensor) -> Tensor:
            average.assign_sub((1.0 - decay) * (average - value))

        self._strategy.extended.update(
            self._averages, update, args=(self._weights.value,), group=False
        )
