"""JAX as what computes a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax

from drgn_tf.data import TrainingData
from drgn_tf.errors import UserError
from drgn_tf.files import first_line
from drgn_tf.models import DRGN
from drgn_tf.training import memory
from drgn_tf.training.jax.trainer import JaxTrainer
from drgn_tf.training.options import RunOptions


class JaxBackend:
    """JAX on all devices of this machine; see `drgn_tf.training.backend.Backend`.

    To be made before JAX is used for anything: then it takes its flags. From then on JAX multiplies
    float32 as such, not in TF32, in whose 11 bits the variances of the SSIM loss cancel out, and
    gradients grow a hundredfold; JAX_DEFAULT_MATMUL_PRECISION in the environment changes that.

    Args:
      logical_cpus: split the CPU into so many devices.
      deterministic: bit-identical reruns on GPUs too, at some cost in speed.

    Raises:
      UserError: JAX has its devices already, or finds none that work.
    """

    chief = True

    def __init__(self, logical_cpus: int = 1, deterministic: bool = False):
        flags = []
        if logical_cpus > 1:
            flags.append(f"--xla_force_host_platform_device_count={logical_cpus}")
        if deterministic:
            flags.append("--xla_gpu_deterministic_ops=true")
        if flags:
            os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *flags]).strip()
        if "JAX_DEFAULT_MATMUL_PRECISION" not in os.environ:
            jax.config.update("jax_default_matmul_precision", "float32")
        try:
            self._devices = jax.devices()
        except RuntimeError as error:
            raise UserError(
                f"JAX finds no device that works ({first_line(error)}); JAX_PLATFORMS=cpu in the "
                "environment takes the CPU."
            ) from error
        if logical_cpus > 1 and len(jax.devices("cpu")) != logical_cpus:
            raise UserError(
                f"JAX has {len(jax.devices('cpu'))} CPU devices already; --logical_cpus must be "
                "given before it is used."
            )

    @property
    def devices(self) -> str:
        """What is computed on, for people."""
        return f"{len(self._devices)} ({self._devices[0].device_kind})"

    def check_options(self, options: RunOptions) -> None:
        """Raises UserError if the options ask for what there is not on JAX."""
        if options.training.xla:
            raise UserError(
                "--xla is not for JAX, which compiles with XLA in any case; leave it out."
            )
        if options.training.precision == "mixed_float16":
            raise UserError(
                "--precision=mixed_float16 needs loss scaling, which is only made for TensorFlow; "
                "choose mixed_bfloat16."
            )

    def check_memory(self, options: RunOptions) -> None:
        """Raises UserError if a step would not fit, on a CPU."""
        if self._devices[0].platform == "cpu":
            memory.check(options)

    def make_trainer(self, options: RunOptions, data: TrainingData) -> JaxTrainer:
        """Returns a trainer at step 0."""
        return JaxTrainer(options, data)

    def compiled(self, model: DRGN) -> Callable[[Any, Any], dict[str, Any]]:
        """Returns a function of a network, which is compiled anew for each size of photos."""
        told = model.options.brightness

        @jax.jit
        def run(weights: list[Any], low: Any, brightness: Any) -> Any:
            wanted = {"brightness": brightness} if told else {}
            return model.stateless_call(weights, [], low, **wanted)[0]

        return lambda *photo: run(
            [variable.value for variable in model.trainable_variables], *photo
        )

    def agree(self, text: str) -> bool:
        """True: there is one worker."""
        return True

    def start_profile(self, folder: str) -> None:
        """Begins to write a TensorBoard profile."""
        jax.profiler.start_trace(folder)

    def stop_profile(self) -> None:
        """Ends what `start_profile` began."""
        jax.profiler.stop_trace()

    @contextlib.contextmanager
    def user_errors(self, options: RunOptions) -> Iterator[None]:
        """Turns errors of JAX that a person can mend into UserError."""
        try:
            yield
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            line = first_line(error) if str(error) else "out of memory"
            if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in line:
                raise
            raise UserError(
                f"{line}; lower --batch_size or --crop_size, or raise "
                "--gradient_accumulation_steps."
            ) from error
