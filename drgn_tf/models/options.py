"""The hyper-parameters of the networks, documented in one place, and the presets.

Presets are data: adding one means adding an entry to `PRESETS`, not a class.
"""

from __future__ import annotations

import dataclasses
from typing import Any

# Both stride-2 steps of the decoder happen inside the network: its features
# live on a grid of 1/4 of the image, so height and width are padded to this.
GRID_FACTOR = 4
MAX_SCALES = 3
# Least and most of each number. Far beyond what is of use, but no more than a machine can hold.
_RANGES = {
    "width": (1, 1024),
    "half_width": (1, 1024),
    "scales": (1, MAX_SCALES),
    "branch_blocks": (0, 64),
    "fusion_blocks": (0, 64),
    "reduction": (1, 1024),
    "context_width": (1, 1024),
    "thumbnail_size": (1, 1024),
}
# Numbers that tell a brightness, behind the context.
BRIGHTNESS_FEATURES = 4


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Shape of a `drgn_tf.models.DRGN`.

    Attributes:
      width: channels on the 1/4 grid, where most of the network lives.
        Divisible by `reduction`; multiples of 4 keep the fast paths of GPUs.
      half_width: channels on the 1/2 grid (first convolutions and decoder).
      scales: input resolutions that are looked at, 1 to 3: full; full and 1/2;
        full, 1/2 and 1/4. One is the paper's single-resolution ablation.
      branch_blocks: residual channel-attention blocks in each scale's branch.
      fusion_blocks: residual channel-attention blocks after the branches meet.
      reduction: bottleneck of the channel attention, as a divisor of `width`.
      context_width: length of the vector that describes the whole photo to
        every channel attention. Divisible by 4.
      thumbnail_size: height and width, in pixels, of the reduced view of the
        whole photo from which that vector is computed. Divisible by 8.
      two_step: False leaves the degradation generator out (I* = ReG(I_L)), the
        paper's one-step ablation.
      brightness: the wanted brightness is an input, and predicted where it is not given; see
        `drgn_tf.models.brightness`. False leaves it out: the network guesses.
      normalised_thumbnail: the context also sees the thumbnail scaled to one brightness, in which
        scenes look alike however dark they are.
    """

    width: int
    half_width: int
    scales: int = 3
    branch_blocks: int = 2
    fusion_blocks: int = 2
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
        if self.context_width % 4:
            raise ValueError(f"context_width ({self.context_width}) must be divisible by 4.")
        if self.thumbnail_size % 8:
            raise ValueError(f"thumbnail_size ({self.thumbnail_size}) must be divisible by 8.")

    @property
    def told_width(self) -> int:
        """Length of the vector that every channel attention is told."""
        return self.context_width + (BRIGHTNESS_FEATURES if self.brightness else 0)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as a JSON-serialisable dict."""
        return dataclasses.asdict(self)


PRESETS: dict[str, ModelOptions] = {
    # Best quality: a desktop or a server.
    "base": ModelOptions(
        width=40, half_width=24, context_width=64, brightness=True, normalised_thumbnail=True
    ),
    # For phones: at most 0.1 M parameters and 20 kMAC per pixel, only operations
    # that mobile GPU delegates run.
    "mobile": ModelOptions(
        width=16,
        half_width=16,
        branch_blocks=1,
        fusion_blocks=1,
        context_width=32,
        brightness=True,
        normalised_thumbnail=True,
    ),
    # For tests: everything is there, and small.
    "tiny": ModelOptions(
        width=8,
        half_width=4,
        branch_blocks=1,
        fusion_blocks=1,
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
