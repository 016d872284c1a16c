"""Flags of fitting the brightness predictor."""

from absl import flags

from drgn_tf.training.tensorflow.brightness_fit import BrightnessFitOptions

_DEFAULTS = BrightnessFitOptions()

_MODEL = flags.DEFINE_string("model", None, "The .keras file of a trained network.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "The .keras file to write; an existing one is not replaced.", required=True
)
_SAMPLES = flags.DEFINE_integer(
    "samples", _DEFAULTS.samples, "Dark photos that are drawn.", lower_bound=1
)
_STEPS = flags.DEFINE_integer("steps", _DEFAULTS.steps, "Optimizer steps.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", _DEFAULTS.learning_rate, "Peak learning rate.", lower_bound=0.0
)
_WELL_LIT = flags.DEFINE_float(
    "well_lit",
    _DEFAULTS.well_lit,
    "Share of photos in normal light, which are to stay, among all, below 1.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_WELL_LIT_LUMA = flags.DEFINE_list(
    "well_lit_luma",
    [f"{value:g}" for value in _DEFAULTS.well_lit_luma],
    "Least and greatest mean luma of these.",
)
_EXPOSURE_JITTER = flags.DEFINE_float(
    "exposure_jitter",
    _DEFAULTS.exposure_jitter,
    "As of drgn-train.",
    lower_bound=0.0,
)
_CONTEXT_NOISE = flags.DEFINE_float(
    "context_noise",
    _DEFAULTS.context_noise,
    "Noise on each element of the context, in its standard deviations: against learning photos by "
    "heart.",
    lower_bound=0.0,
)
_SEED = flags.DEFINE_integer(
    "seed", _DEFAULTS.seed, "Of all random numbers.", lower_bound=0, upper_bound=2**32 - 1
)


def _is_range(value: list[str]) -> bool:
    try:
        least, greatest = map(float, value)
    except ValueError:
        return False
    return 0 <= least < greatest <= 1


flags.register_validator(
    _WELL_LIT_LUMA, _is_range, "two numbers are needed, the least and the greatest: 0.24,0.45."
)


def model() -> str:
    """Returns the path of the network."""
    return _MODEL.value


def output() -> str:
    """Returns the path to write to."""
    return _OUTPUT.value


def fit_options() -> BrightnessFitOptions:
    """Returns how to fit."""
    least, greatest = map(float, _WELL_LIT_LUMA.value)
    return BrightnessFitOptions(
        samples=_SAMPLES.value,
        steps=_STEPS.value,
        learning_rate=_LEARNING_RATE.value,
        well_lit=_WELL_LIT.value,
        well_lit_luma=(least, greatest),
        exposure_jitter=_EXPOSURE_JITTER.value,
        context_noise=_CONTEXT_NOISE.value,
        seed=_SEED.value,
    )
