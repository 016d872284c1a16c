"""Which devices a run uses. Called first: devices cannot be changed once TensorFlow uses them."""

from __future__ import annotations

import os

import tensorflow as tf

from drgn_tf.errors import UserError
from drgn_tf.training.options import STRATEGIES


def make_strategy(name: str = "auto", logical_cpus: int = 1) -> tf.distribute.Strategy:
    """Returns the distribution strategy of a run.

    Args:
      name: "single", one device; "mirrored", all GPUs of this machine (or its logical
        CPUs); "multi_worker", the machines named in TF_CONFIG; "auto", the last where
        TF_CONFIG is set, the second where there are several GPUs or logical CPUs, else
        the first.
      logical_cpus: split the CPU into so many devices, to try distributed code without
        GPUs.

    Raises:
      UserError: an unknown name, TF_CONFIG is missing or wrong, or devices exist
        already.
    """
    if name not in STRATEGIES:
        raise UserError(f"unknown strategy '{name}'; choose one of: {', '.join(STRATEGIES)}.")
    gpus = tf.config.list_physical_devices("GPU")
    try:
        if logical_cpus > 1:
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * logical_cpus,
            )
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"devices must be chosen before TensorFlow uses them: {error}") from error
    if name == "auto":
        if os.environ.get("TF_CONFIG"):
            name = "multi_worker"
        else:
            name = "mirrored" if max(len(gpus), logical_cpus) > 1 else "single"
    if name == "multi_worker":
        if not os.environ.get("TF_CONFIG"):
            raise UserError(
                "--strategy=multi_worker needs TF_CONFIG, which names the machines; "
                "see docs/clusters.md."
            )
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, KeyError, RuntimeError) as error:
            raise UserError(f"TF_CONFIG does not describe the machines: {error}") from error
        except tf.errors.OpError as error:
            raise UserError(
                f"the machines named in TF_CONFIG do not come together "
                f"({str(error).splitlines()[0]}); check the addresses and that the ports are "
                "free, then give the same command on all of them."
            ) from error
    if name == "mirrored":
        if gpus:
            return tf.distribute.MirroredStrategy()
        return tf.distribute.MirroredStrategy([f"/cpu:{i}" for i in range(logical_cpus)])
    return tf.distribute.get_strategy()


def worker_count(strategy: tf.distribute.Strategy) -> int:
    """Returns how many processes take part."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return 1
    return sum(len(addresses) for addresses in resolver.cluster_spec().as_dict().values())


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the run's files."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )
