"""Flags of the network's architecture."""

from absl import flags

from drgn_tf.models import PRESETS, ModelOptions, preset

_PRESET = flags.DEFINE_enum(
    "preset", "base", list(PRESETS), "Architecture; the flags below change parts of it."
)
_TWO_STEP = flags.DEFINE_boolean(
    "two_step",
    None,
    "Estimate the degradation first, then refine (the paper's way). --notwo_step refines the "
    "low-light photo directly, the paper's one-step ablation. Default: as the preset.",
)
_SCALES = flags.DEFINE_integer(
    "scales",
    None,
    "Input resolutions: 3 is full, 1/2 and 1/4; 1 is the paper's ablation. Default: as the preset.",
    lower_bound=1,
    upper_bound=3,
)
_WIDTH = flags.DEFINE_integer(
    "width", None, "Channels on the 1/4 grid. Default: as the preset.", lower_bound=4
)
_HALF_WIDTH = flags.DEFINE_integer(
    "half_width", None, "Channels on the 1/2 grid. Default: as the preset.", lower_bound=4
)
_BRANCH_BLOCKS = flags.DEFINE_integer(
    "branch_blocks",
    None,
    "Residual attention blocks of each resolution. Default: as the preset.",
    lower_bound=0,
)
_FUSION_BLOCKS = flags.DEFINE_integer(
    "fusion_blocks",
    None,
    "Residual attention blocks after the fusion. Default: as the preset.",
    lower_bound=0,
)
_HALF_BLOCKS = flags.DEFINE_integer(
    "half_blocks",
    None,
    "Residual attention blocks on the 1/2 grid of the decoder. Default: as the preset.",
    lower_bound=0,
)
_BRIGHTNESS = flags.DEFINE_boolean(
    "brightness",
    None,
    "Make the wanted brightness an input of the network. With --nobrightness the network guesses "
    "it, an ablation. Default: as the preset.",
)


def model_options() -> ModelOptions:
    """Returns the preset with the changes of the other flags."""
    changes = (
        _TWO_STEP,
        _SCALES,
        _WIDTH,
        _HALF_WIDTH,
        _BRANCH_BLOCKS,
        _FUSION_BLOCKS,
        _HALF_BLOCKS,
        _BRIGHTNESS,
    )
    return preset(
        _PRESET.value, **{flag.name: flag.value for flag in changes if flag.value is not None}
    )
