"""The players, and the step that improves them, under any `tf.distribute` strategy."""

from __future__ import annotations

import math
import pathlib

import keras
import tensorflow as tf

from drgn_tf import losses, metrics
from drgn_tf.losses import LossOptions
from drgn_tf.models import DRGN, Discriminator, ModelFileError, load_model
from drgn_tf.training.options import RunOptions, TrainingOptions


def _optimizer(peak: float, options: TrainingOptions) -> keras.optimizers.Optimizer:
    """Adam(0.9, 0.999), warmed up from 0, then on a cosine down to a fraction of the peak."""
    warmup = min(options.warmup_steps, options.steps - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=options.steps - warmup,
        alpha=options.final_learning_rate,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    return keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.999)


def _start_from(model: DRGN, path: pathlib.Path) -> None:
    trained = load_model(path)
    if trained.options != model.options:
        raise ModelFileError(
            f"{path}: holds another network ({trained.options}) than is to be trained "
            f"({model.options}); give the flags of the network that is in the file."
        )
    model.set_weights(trained.get_weights())


class Trainer:
    """Generators, discriminators, their optimizers, the averaged weights and the step.

    Args:
      strategy: from `tf.distribute`; the default one for a single device.
      options: of the run.

    Attributes:
      step: tf.Variable, optimizer steps done.
      model: the `DRGN` that is trained.
      discriminators: "low" and "degradation", those that play.

    Raises:
      ModelFileError: the weights to start from do not fit.
    """

    def __init__(self, strategy: tf.distribute.Strategy, options: RunOptions):
        keras.utils.set_random_seed(options.training.seed)
        self._strategy = strategy
        self._loss: LossOptions = options.loss
        self._training = options.training
        self._model_options = options.model
        # There is no degradation to learn from in one step.
        self._synthetic = options.loss.synthetic and options.model.two_step
        with strategy.scope():
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
            self.model = DRGN(options.model)
            self.model.build()
            if options.training.init_weights:
                _start_from(self.model, pathlib.Path(options.training.init_weights))
            self._generator_optimizer = _optimizer(options.training.learning_rate, options.training)
            # Keras' optimizers must know their variables before the first step.
            self._generator_optimizer.build(self.model.trainable_variables)
            self._averages = [
                tf.Variable(variable.value, trainable=False, name=f"average_{i}")
                for i, variable in enumerate(self.model.trainable_variables)
            ]
            self.discriminators: dict[str, Discriminator] = {}
            self._discriminator_optimizer = None
            if self._synthetic:
                for name in options.loss.contests:
                    self.discriminators[name] = Discriminator(name=f"discriminator_{name}")
                    self.discriminators[name].build()
            if self.discriminators:
                self._discriminator_optimizer = _optimizer(
                    options.training.discriminator_learning_rate, options.training
                )
                self._discriminator_optimizer.build(self._discriminator_variables)
        self._plain_step = tf.function(lambda batch, stop: self._step(batch, stop, False))
        self._synthetic_step = tf.function(lambda batch, stop: self._step(batch, stop, True))

    @property
    def needs_references(self) -> bool:
        """Whether samples must bring normal-light photos for the synthetic path."""
        return self._synthetic

    @property
    def checkpointed(self) -> dict[str, list[tf.Variable]]:
        """Everything a run needs to go on, as keywords of `tf.train.Checkpoint`."""
        # Not the parts themselves: Checkpoint misses Keras layers that are kept in lists.
        parts = {"model": self.model, "generator_optimizer": self._generator_optimizer}
        parts.update({f"discriminator_{name}": part for name, part in self.discriminators.items()})
        if self.discriminators:
            parts["discriminator_optimizer"] = self._discriminator_optimizer
        variables = {name: [v.value for v in part.variables] for name, part in parts.items()}
        return {**variables, "averages": self._averages, "step": [self.step]}

    @property
    def checkpoint_bytes(self) -> int:
        """Size of one checkpoint on disk, without its small index."""
        return sum(
            variable.dtype.size * math.prod(variable.shape)
            for variables in self.checkpointed.values()
            for variable in variables
        )

    @property
    def scalar_names(self) -> list[str]:
        """What `train_step` may report, but for "stop"."""
        names = ["loss", *losses.term_names(self._loss, self._synthetic), "psnr", "gradient_norm"]
        return names + ["discriminator_gradient_norm"] * bool(self.discriminators)

    @property
    def learning_rate(self) -> float:
        """The generators' rate at the next step."""
        return float(self._generator_optimizer.learning_rate)

    @property
    def _discriminator_variables(self) -> list:
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
        for variable, average in zip(model.trainable_variables, self._averages):
            variable.assign(average.numpy())

    def train_step(self, batch, step: int, stop: bool) -> dict[str, tf.Tensor]:
        """Runs one step on a (distributed) batch.

        Args:
          batch: see `drgn_tf.losses.objective`.
          step: number of the step, from 0, as `self.step` has it.
          stop: whether this worker was asked to stop.

        Returns:
          Scalars over the whole batch: "loss", the weighted terms, "psnr" in dB,
          "gradient_norm", and "stop", positive if any worker was asked to stop.
        """
        synthetic = self._synthetic and step >= self._loss.synthetic_start
        run = self._synthetic_step if synthetic else self._plain_step
        return run(batch, tf.constant(float(stop)))

    def _ramp(self):
        done = tf.cast(self.step - self._loss.synthetic_start + 1, tf.float32)
        return tf.clip_by_value(done / max(1, self._loss.synthetic_ramp), 0.0, 1.0)

    def _step(self, batch, stop, synthetic: bool):
        ramp = self._ramp() if synthetic else None
        scalars = self._strategy.run(self._replica_step, args=(batch, ramp, stop))
        scalars = {
            name: self._strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
            for name, value in scalars.items()
        }
        self._update_averages()
        self.step.assign_add(1)
        return scalars

    def _replica_step(self, batch, ramp, stop):
        # Keras' optimizers and the reduction below add up over devices.
        devices = tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape(persistent=True) as tape:
            loss, discriminator_loss, terms, images = losses.objective(
                self.model, self.discriminators, batch, self._loss, ramp
            )
            scaled = loss / devices
            scaled_discriminator = discriminator_loss / devices
        norm = self._descend(
            tape, scaled, self.model.trainable_variables, self._generator_optimizer
        )
        norms = {"gradient_norm": norm}
        if ramp is not None and self.discriminators:
            norms["discriminator_gradient_norm"] = self._descend(
                tape,
                scaled_discriminator,
                self._discriminator_variables,
                self._discriminator_optimizer,
            )
        del tape
        enhanced = tf.clip_by_value(images["enhanced"], 0.0, 1.0)
        return {
            "loss": loss,
            **terms,
            "psnr": tf.reduce_mean(metrics.psnr(enhanced, batch["high"])),
            **norms,
            "stop": stop,
        }

    def _descend(self, tape, loss, variables, optimizer):
        """Applies the clipped gradient of the whole batch; returns its norm before clipping."""
        context = tf.distribute.get_replica_context()
        gradients = tape.gradient(
            loss, [v.value for v in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradients, norm = tf.clip_by_global_norm(gradients, self._training.clip_norm)

        # Keras adds up the devices' gradients too, but after clipping each, so that the
        # step would depend on their number. These are equal: their sum is one of them.
        shares = [gradient / context.num_replicas_in_sync for gradient in gradients]
        optimizer.apply(shares, variables)
        return norm

    def _update_averages(self) -> None:
        # A shorter memory at first, or the initial weights would linger.
        done = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self._training.ema_decay, (1.0 + done) / (10.0 + done))

        def update(average, value):
            average.assign_sub((1.0 - decay) * (average - value))

        for average, variable in zip(self._averages, self.model.trainable_variables):
            self._strategy.extended.update(average, update, args=(variable.value,), group=False)
