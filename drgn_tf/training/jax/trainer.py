"""The players, and the step that improves them, compiled by JAX for one device or several.

The step is that of `drgn_tf.training.tensorflow.trainer`: both players' gradients from one forward
pass (in several micro-batches, one after the other, where `gradient_accumulation_steps` asks
for it), clipped, applied; then the averaged weights follow. All that changes is one nested dict
of arrays; the Keras objects only say what to compute. Several steps are one call, inside
which the devices also make the samples.

Devices share each batch: samples are divided among them, everything else is the same on
all, and the compiler adds up the gradients.
"""

from __future__ import annotations

import functools
import pathlib
import zipfile
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from drgn_tf import losses, metrics
from drgn_tf.data import TrainingData
from drgn_tf.data.jax_sampling import Sampler, batch_sampler
from drgn_tf.errors import UserError
from drgn_tf.files import first_line
from drgn_tf.models import DRGN
from drgn_tf.tensors import Tensor
from drgn_tf.training.factories import (
    make_discriminators,
    make_model,
    make_optimizer,
    make_schedule,
)
from drgn_tf.training.flat import joined, parted, vector_of
from drgn_tf.training.options import RunOptions

State = dict[str, Any]


class _OverwritingScope(keras.StatelessScope):
    """A scope in which a weight that is overwritten is differentiated as it then is.

    Spectral normalisation overwrites the kernels it is about to use. As TensorFlow's tapes
    see it, the gradient is the one by the new kernel, which the optimizer then changes.
    """

    def __init__(self, state_mapping: Tensor) -> None:
        state_mapping = list(state_mapping)
        super().__init__(state_mapping)
        self._given = {id(variable): value for variable, value in state_mapping}

    def add_update(self, update: Tensor) -> None:
        variable, value = update
        given = self._given[id(variable)]
        unchanged = given - jax.lax.stop_gradient(given)
        super().add_update((variable, jax.lax.stop_gradient(value) + unchanged))


class JaxTrainer:
    """Generators, discriminators, optimizers, averaged weights and the step; see `Trainer`.

    Args:
      options: of the run.
      data: photos to train on.

    Attributes:
      state: everything a run needs to go on: lists of arrays by name. To be replaced by
        one of the same shapes, by `restore`, to go on from there.

    Raises:
      ModelFileError: the weights to start from do not fit.
      UserError: a photo is too small, or the batch does not divide among the devices.
    """

    state_suffix = ".npz"

    def __init__(self, options: RunOptions, data: TrainingData) -> None:
        keras.utils.set_random_seed(options.training.seed)
        self._options = options
        # Also kept here: what a device computes is waited for only where it is looked at.
        self._done = 0
        self._training = options.training
        self._loss = losses.for_model(options.loss, options.model)
        self._synthetic = self._loss.synthetic
        devices = len(jax.devices())
        micro_batches = self._training.gradient_accumulation_steps
        parts = devices * micro_batches
        if self._training.batch_size % parts:
            raise UserError(
                f"a batch of {self._training.batch_size} does not divide among {devices} "
                f"devices and {micro_batches} micro-batches each; choose "
                f"--batch_size={max(1, self._training.batch_size // parts) * parts}."
            )
        self._sampler = Sampler(data, options.sample_options)
        self._sample = batch_sampler(self._sampler)

        self._model = make_model(options)
        self._discriminators = make_discriminators(options.loss) if self._synthetic else {}
        self._weights = self._model.trainable_variables
        players = self._discriminators.values()
        self._opponents = [v for player in players for v in player.trainable_variables]
        # What spectral normalisation remembers.
        self._memory = [v for player in players for v in player.non_trainable_variables]
        self._schedule = make_schedule(self._training.learning_rate, self._training)
        self._optimizer = make_optimizer(self._training.learning_rate, self._training)
        weights = vector_of(self._weights)
        self._optimizer.build([weights])
        saved = {
            "model": self._weights,
            "averages": [weights],
            "optimizer": self._optimizer.variables,
        }
        if self._discriminators:
            rate = self._training.discriminator_learning_rate
            self._discriminator_optimizer = make_optimizer(rate, self._training)
            self._discriminator_optimizer.build(self._opponents)
            saved["discriminators"] = self._opponents
            saved["discriminator_memory"] = self._memory
            saved["discriminator_optimizer"] = self._discriminator_optimizer.variables

        mesh = Mesh(np.array(jax.devices()), ("batch",))
        self._same = NamedSharding(mesh, PartitionSpec())
        self._divided = NamedSharding(mesh, PartitionSpec("batch"))
        self._photos = jax.device_put(self._sampler.photos, self._same)
        # Copied: the step reuses the memory of the state it is given.
        state = {name: [np.array(v.value) for v in saved[name]] for name in saved}
        self.state: State = jax.device_put({**state, "step": [np.int32(0)]}, self._same)
        self._plain_steps, self._synthetic_steps = (
            jax.jit(functools.partial(self._steps, synthetic=synthetic), donate_argnums=0)
            for synthetic in (False, True)
        )

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
        return float(self._schedule(self._done))

    @property
    def state_bytes(self) -> int:
        """Size of one checkpoint on disk."""
        return sum(array.nbytes for arrays in self.state.values() for array in arrays)

    def save_state(self, path: pathlib.Path) -> None:
        """Writes all arrays to `path`.npz."""
        arrays = {
            f"{name}/{index}": np.asarray(array)
            for name, parts in self.state.items()
            for index, array in enumerate(parts)
        }
        with open(f"{path}{self.state_suffix}", "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def load_state(self, path: pathlib.Path) -> None:
        """Goes on from what `save_state` wrote."""
        try:
            with np.load(f"{path}{self.state_suffix}", allow_pickle=False) as file:
                state = {
                    name: [file[f"{name}/{index}"] for index in range(len(arrays))]
                    for name, arrays in self.state.items()
                }
        except (KeyError, zipfile.BadZipFile) as error:
            raise ValueError(first_line(error)) from error
        self.restore(state)

    def restore(self, state: State) -> None:
        """Goes on from a state."""
        self.state = jax.device_put(state, self._same)
        self._done = int(self.state["step"][0])

    def averaged_model(self) -> DRGN:
        """Returns a network of its own, for `load_averages`."""
        model = DRGN(self._options.model, name="drgn")
        model.build()
        return model

    def load_averages(self, model: DRGN) -> None:
        """Copies the averaged weights into `model`."""
        variables = model.trainable_variables
        for variable, average in zip(variables, parted(self.state["averages"][0], variables)):
            variable.assign(np.asarray(average))

    def train_steps(self, count: int, stop: bool) -> tuple[dict[str, jax.Array], bool]:
        """Makes steps in one compiled call, see `Trainer`."""
        steps_per_call = self._options.cadence.steps_per_call
        count = min(count, steps_per_call)
        synthetic = self._synthetic and self._done >= self._loss.synthetic_start
        if self._synthetic and not synthetic:
            # With the synthetic path it is another function.
            count = min(count, self._loss.synthetic_start - self._done)
        run = self._synthetic_steps if synthetic else self._plain_steps
        # Of one length, or each count would be compiled anew.
        order = self._sampler.order(self._done, steps_per_call)
        order = jax.device_put(order, self._same)
        self.state, rows = run(self.state, self._photos, order, np.int32(count))
        self._done += count
        return dict(zip(self._reported(synthetic), rows[:count].T)), stop

    def _reported(self, synthetic: bool) -> list[str]:
        names = ["loss", *losses.term_names(self._loss, synthetic), "psnr", "gradient_norm"]
        return names + ["discriminator_gradient_norm"] * bool(synthetic and self._discriminators)

    def _steps(
        self,
        state: State,
        photos: dict[str, Tensor],
        order: dict[str, Tensor],
        count: Tensor,
        synthetic: bool,
    ) -> Tensor:
        """Returns the state after `count` steps, and the scalars of each, [steps, scalars]."""
        names = self._reported(synthetic)

        def step(index: Tensor, carried: Tensor) -> Tensor:
            state, rows = carried
            state, scalars = self._step(
                state, photos, {name: photo[index] for name, photo in order.items()}, synthetic
            )
            return state, rows.at[index].set(jnp.stack([scalars[name] for name in names]))

        rows = jnp.zeros((self._options.cadence.steps_per_call, len(names)))
        return jax.lax.fori_loop(0, count, step, (state, rows))

    def _step(
        self, state: State, photos: dict[str, Tensor], order: dict[str, Tensor], synthetic: bool
    ) -> Tensor:
        """Returns the state after one step, and its scalars."""
        done = state["step"][0]
        ramp = None
        if synthetic:
            started = (done - self._loss.synthetic_start + 1).astype(jnp.float32)
            ramp = jnp.clip(started / max(1, self._loss.synthetic_ramp), 0.0, 1.0)
        plays = synthetic and bool(self._discriminators)
        opponents = (state["discriminators"], state["discriminator_memory"]) if plays else ([], [])

        first = done * self._training.batch_size
        samples = {"number": first + jnp.arange(self._training.batch_size), **order}
        (gradients, opponent_gradients, scalars), opponents = self._accumulated_gradients(
            state["model"], opponents, photos, samples, ramp
        )
        new = dict(state)
        gradients, scalars["gradient_norm"] = self._clipped([joined(gradients)])
        (weights,), new["optimizer"] = self._optimizer.stateless_apply(
            state["optimizer"], gradients, [joined(state["model"])]
        )
        new["model"] = parted(weights, state["model"])
        if plays:
            gradients, scalars["discriminator_gradient_norm"] = self._clipped(opponent_gradients)
            kernels, new["discriminator_memory"] = opponents
            new["discriminators"], new["discriminator_optimizer"] = (
                self._discriminator_optimizer.stateless_apply(
                    state["discriminator_optimizer"], gradients, kernels
                )
            )
        # A shorter memory at first, or the initial weights would linger.
        decay = jnp.minimum(self._training.ema_decay, (1.0 + done) / (10.0 + done))
        (average,) = state["averages"]
        new["averages"] = [average - (1.0 - decay) * (average - weights)]
        new["step"] = [done + 1]
        return new, scalars

    def _accumulated_gradients(
        self, weights: Tensor, opponents: Tensor, photos: Tensor, samples: Tensor, ramp: Tensor
    ) -> Tensor:
        """Returns what `_gradients` does, from as many micro-batches as the options say."""
        parts = self._training.gradient_accumulation_steps

        def gradients(opponents: Tensor, samples: Tensor) -> Tensor:
            samples = jax.lax.with_sharding_constraint(samples, self._divided)
            number = samples.pop("number")
            batch = self._sample(photos, number, samples)
            return self._gradients(weights, opponents, batch, ramp)

        if parts == 1:
            return gradients(opponents, samples)

        def add(carried: Tensor, samples: Tensor) -> Tensor:
            total, opponents = carried
            part, opponents = gradients(opponents, samples)
            return (jax.tree.map(lambda a, b: a + b / parts, total, part), opponents), None

        names = ["loss", *losses.term_names(self._loss, ramp is not None), "psnr"]
        zero = jax.tree.map(
            jnp.zeros_like, (weights, opponents[0], {name: jnp.zeros(()) for name in names})
        )
        split = {name: x.reshape(parts, -1) for name, x in samples.items()}
        return jax.lax.scan(add, (zero, opponents), split)[0]

    def _gradients(self, weights: Tensor, opponents: Tensor, batch: Tensor, ramp: Tensor) -> Tensor:
        """Returns both players' gradients and the scalars, and the discriminators as left."""

        def play(weights: Tensor, kernels: Tensor) -> Tensor:
            values = [*zip(self._weights, weights), *zip(self._opponents, kernels)]
            values += zip(self._memory, opponents[1])
            with _OverwritingScope(values) as scope:
                loss, discriminator_loss, terms, images = losses.objective(
                    self._model, self._discriminators, batch, self._loss, ramp
                )
                psnr = metrics.psnr(jnp.clip(images["enhanced"], 0.0, 1.0), batch["high"])
            left = tuple(
                [scope.get_current_value(variable) for variable, _ in zip(variables, given)]
                for variables, given in ((self._opponents, kernels), (self._memory, opponents[1]))
            )
            scalars = {"loss": loss, **terms, "psnr": jnp.mean(psnr)}
            return (loss, discriminator_loss), (scalars, left)

        # One forward pass; what the two ways back share is computed once.
        _, pull_back, (scalars, left) = jax.vjp(play, weights, opponents[0], has_aux=True)
        one, zero = jnp.ones(()), jnp.zeros(())
        gradients, _ = pull_back((one, zero))
        _, opponent_gradients = pull_back((zero, one))
        return (gradients, opponent_gradients, scalars), left

    def _clipped(self, gradients: Tensor) -> Tensor:
        """Returns gradients of at most the largest global norm, and the norm they had."""
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients))
        limit = self._training.clip_norm
        return [gradient * (limit / jnp.maximum(norm, limit)) for gradient in gradients], norm
