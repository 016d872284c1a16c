"""Flags of the training run."""

from typing import Any

from absl import flags

from drgn_tf.training import CadenceOptions, TrainingOptions
from drgn_tf.training.options import BACKENDS, MONITORS, PRECISIONS, STRATEGIES

_DEFAULTS = TrainingOptions()
_CADENCE = CadenceOptions()

_RUN_DIR = flags.DEFINE_string(
    "run_dir",
    None,
    "Folder of the run: weights, checkpoints, logs. The same command continues an interrupted run.",
    required=True,
)
_BACKEND = flags.DEFINE_enum(
    "backend",
    "tensorflow",
    BACKENDS,
    "What computes: TensorFlow, or JAX, for which TensorFlow need not be installed.",
)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "auto",
    STRATEGIES,
    "Devices: one; all GPUs of this machine (mirrored); the machines named in TF_CONFIG "
    "(multi_worker); or what fits of these (auto). With --backend=jax always all devices of this "
    "machine.",
)
_LOGICAL_CPUS = flags.DEFINE_integer(
    "logical_cpus",
    1,
    "Split the CPU into this number of devices, to try distributed training without GPUs.",
    lower_bound=1,
    upper_bound=64,
)


def _integer(
    defaults: TrainingOptions | CadenceOptions, name: str, help_text: str, lowest: int = 1
) -> flags.FlagHolder[int]:
    return flags.DEFINE_integer(name, getattr(defaults, name), help_text, lower_bound=lowest)


def _float(name: str, help_text: str, highest: float | None = None) -> flags.FlagHolder[float]:
    return flags.DEFINE_float(
        name, getattr(_DEFAULTS, name), help_text, lower_bound=0.0, upper_bound=highest
    )


_TRAINING = (
    _integer(_DEFAULTS, "steps", "Optimizer steps of the whole run."),
    _integer(_DEFAULTS, "batch_size", "Samples per step, over all devices and workers together."),
    _integer(_DEFAULTS, "crop_size", "Side of the training crops in pixels.", lowest=16),
    _float("photometric_fraction", "Share of samples darkened by the photometric synthesis.", 1.0),
    _float(
        "exposure_jitter",
        "Largest power of two by which the sRGB values of the low photos of real pairs are made "
        "darker or brighter, while their references stay: the darkness of a photo says little "
        "about the brightness of its reference.",
    ),
    _float(
        "pair_files",
        "Share of real pairs whose low photos are compressed and resized too, as often as "
        "--photometric_jpeg and --photometric_resize say.",
        1.0,
    ),
    _float(
        "pair_well_lit",
        "Share of real pairs whose low photo is replaced by the reference: teaches the network to "
        "keep photos in normal light.",
        1.0,
    ),
    _float(
        "relight",
        "Largest change, in stops (EV), of the reference of a sample and of the brightness given "
        "to the network, which teaches it to follow that brightness.",
    ),
    _float("relight_share", "Share of the samples that --relight changes.", 1.0),
    _float("learning_rate", "Peak learning rate of the generators."),
    _float("discriminator_learning_rate", "Peak learning rate of the discriminators."),
    _integer(
        _DEFAULTS, "warmup_steps", "Steps over which the learning rates grow from 0.", lowest=0
    ),
    _float(
        "final_learning_rate_ratio",
        "Final learning rate of the cosine schedule, as a fraction of the peak.",
        1.0,
    ),
    _float("clip_norm", "Largest global norm of a gradient."),
    _float("ema_decay", "Decay of the averaged weights, which are evaluated and saved.", 1.0),
    flags.DEFINE_string(
        "init_weights",
        _DEFAULTS.init_weights,
        "A .keras file to start from, for fine-tuning. Default: random weights.",
    ),
    _integer(
        _DEFAULTS,
        "gradient_accumulation_steps",
        "Micro-batches into which a device's share of a batch is cut and which are computed one "
        "after the other: the same step with a fraction of the memory.",
    ),
    flags.DEFINE_enum(
        "precision",
        _DEFAULTS.precision,
        PRECISIONS,
        "Precision of the generators' layers. mixed_float16 adds loss scaling; weights are always "
        "float32.",
    ),
    flags.DEFINE_boolean("xla", _DEFAULTS.xla, "Compile forward and backward pass with XLA."),
    flags.DEFINE_enum(
        "monitor",
        _DEFAULTS.monitor,
        MONITORS,
        "Validation metric that selects best.keras.",
    ),
    flags.DEFINE_integer(
        "seed",
        _DEFAULTS.seed,
        "Seed of the initial weights and of all samples.",
        lower_bound=0,
        upper_bound=2**32 - 1,
    ),
    flags.DEFINE_boolean(
        "deterministic",
        _DEFAULTS.deterministic,
        "Make reruns bit-identical, at some cost in speed.",
    ),
)
_REPORTING = (
    _integer(_CADENCE, "log_every", "Steps between log lines in metrics.csv and TensorBoard."),
    _integer(_CADENCE, "validate_every", "Steps between validations."),
    _integer(_CADENCE, "checkpoint_every", "Steps between checkpoints."),
    _integer(_CADENCE, "keep_checkpoints", "Number of checkpoints to keep."),
    _integer(
        _CADENCE,
        "steps_per_call",
        "Most steps in one call into the graph, so that a GPU waits less for Python. A call also "
        "ends at each log line, validation and checkpoint.",
    ),
    _integer(
        _CADENCE,
        "profile",
        "Number of steps to profile for TensorBoard, after the first 20; 0 for none.",
        lowest=0,
    ),
)


def run_dir() -> str:
    """Returns the folder of the run."""
    return _RUN_DIR.value


def backend() -> str:
    """Returns the name of what computes."""
    return _BACKEND.value


def strategy() -> tuple[str, int]:
    """Returns the name of the strategy and the number of logical CPUs."""
    return _STRATEGY.value, _LOGICAL_CPUS.value


def training_options() -> TrainingOptions:
    """Returns the options of the training."""
    values: dict[str, Any] = {flag.name: flag.value for flag in _TRAINING}
    return TrainingOptions(**values)


def cadence_options() -> CadenceOptions:
    """Returns how often the run logs, validates and saves."""
    return CadenceOptions(**{flag.name: flag.value for flag in _REPORTING})
