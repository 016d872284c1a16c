"""The hyper-parameters of the networks, documented in one place, and the presets.

Presets are data: adding one means adding an entry to `PRESETS`, not a class.
"""

from __future__ import annotations

import dataclasses
from typing import Any

# The coarsest features are on the 1/4 grid, so height and width are padded to a multiple of this.
GRID_FACTOR = 4
MAX_SCALES = 3
# Least and greatest value of each number, far beyond what is useful but not beyond a machine.
_RANGES = {
    "width": (1, 1024),
    "half_width": (1, 1024),
    "scales": (1, MAX_SCALES),
    "branch_blocks": (0, 64),
    "fusion_blocks": (0, 64),
    "half_blocks": (0, 64),
    "reduction": (1, 1024),
    "context_width": (1, 1024),
    "thumbnail_size": (1, 1024),
}
# Length of the brightness features that follow the context.
BRIGHTNESS_FEATURES = 4


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Shape of a `drgn_tf.models.DRGN`.

    Attributes:
      width: channels on the 1/4 grid, where most of the network is. Divisible by
        `reduction`; multiples of 4 are fast on GPUs.
      half_width: channels on the 1/2 grid (first convolutions and decoder). Divisible by
        `reduction` if there are `half_blocks`.
      scales: number of input resolutions, 1 to 3: full; full and 1/2; full, 1/2
        and 1/4. One is the paper's single-resolution ablation.
      branch_blocks: residual channel-attention blocks in each scale's branch.
      fusion_blocks: residual channel-attention blocks after the fusion of the branches.
      half_blocks: residual channel-attention blocks on the 1/2 grid, in the decoder. Detail that
        the 1/4 grid cannot hold is told from noise there, at four times the cost per parameter.
      reduction: bottleneck of the channel attention, as a divisor of the channels.
      context_width: length of the vector that describes the whole photo to
        every channel attention. Divisible by 4.
      thumbnail_size: height and width, in pixels, of the thumbnail of the whole
        photo from which that vector is computed. Divisible by 8.
      two_step: False removes the degradation generator (I* = ReG(I_L)), the paper's
        one-step ablation.
      brightness: whether the wanted brightness is an input, predicted where it is not given; see
        `drgn_tf.models.brightness`. Without it the network guesses.
      normalised_thumbnail: whether the context encoder also sees the thumbnail scaled to a fixed
        mean, where a scene looks the same however dark it is.
    """

    width: int
    half_width: int
    scales: int = 3
    branch_blocks: int = 2
    fusion_blocks: int = 2
    half_blocks: int = 0
    reduction: int = 4
    context_width: int = 32
    thumbnail_size: int = 32
    two_step: bool = True
    brightness: bool = False
    normalised_thumbnail: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            # Files give any type; True is an int, too.
            kind, value = int if field.name in _RANGES else bool, getattr(self, field.name)
            if type(value) is not kind:
                raise ValueError(f"{field.name} must be of type {kind.__name__}, not {value!r}.")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} must be from {least} to {most}, not {getattr(self, name)}."
                )
        if self.width % self.reduction:
            raise ValueError(
                f"width ({self.width}) must be divisible by reduction ({self.reduction})."
            )
        if self.half_blocks and self.half_width % self.reduction:
            raise ValueError(
                f"half_width ({self.half_width}) must be divisible by reduction ({self.reduction})."
            )
        if self.context_width % 4:
            raise ValueError(f"context_width ({self.context_width}) must be divisible by 4.")
        if self.thumbnail_size % 8:
            raise ValueError(f"thumbnail_size ({self.thumbnail_size}) must be divisible by 8.")

    @property
    def told_width(self) -> int:
        """Length of the input vector of every channel attention."""
        return self.context_width + (BRIGHTNESS_FEATURES if self.brightness else 0)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as a JSON-serialisable dict."""
        return dataclasses.asdict(self)


PRESETS: dict[str, ModelOptions] = {
    # Best quality, for desktops and servers.
    "base": ModelOptions(
        width=40,
        half_width=24,
        half_blocks=1,
        context_width=64,
        brightness=True,
        normalised_thumbnail=True,
    ),
    # For phones: at most 0.1 M parameters and 20 kMAC per pixel, and only operators that
    # mobile GPU delegates support.
    "mobile": ModelOptions(
        width=16,
        half_width=16,
        branch_blocks=1,
        fusion_blocks=1,
        half_blocks=1,
        reduction=2,
        context_width=32,
        brightness=True,
        normalised_thumbnail=True,
    ),
    # For tests: every part, as small as possible.
    "tiny": ModelOptions(
        width=8,
        half_width=4,
        branch_blocks=1,
        fusion_blocks=1,
        half_blocks=1,
        context_width=8,
        thumbnail_size=16,
        brightness=True,
        normalised_thumbnail=True,
    ),
}


def preset(name: str, **changes: Any) -> ModelOptions:
    """Returns the options of a preset, with single fields changed.

    Args:
      name: a key of `PRESETS`.
      **changes: fields of `ModelOptions` that differ from the preset.

    Raises:
      ValueError: the preset is unknown or the changed options are invalid.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset '{name}'; choose one of: {', '.join(PRESETS)}.")
    return dataclasses.replace(PRESETS[name], **changes)
