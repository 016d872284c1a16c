"""Flags that weigh the losses. A weight of 0 leaves the term out."""

from typing import Any

from absl import flags

from drgn_tf.losses import LossOptions

_DEFAULTS = LossOptions()


def _weight(name: str, help_text: str, highest: float | None = None) -> flags.FlagHolder[float]:
    return flags.DEFINE_float(
        name, getattr(_DEFAULTS, name), help_text, lower_bound=0.0, upper_bound=highest
    )


_WEIGHTS = (
    _weight("content_weight", "Weight of the Charbonnier loss."),
    _weight("ssim_weight", "Weight of 1 - SSIM."),
    _weight("gradient_weight", "Weight of the differences of horizontal and vertical gradients."),
    _weight("spectral_weight", "Weight of the differences of Fourier coefficients."),
    _weight("chroma_weight", "Weight of the differences of Cb and Cr: colour without luminance."),
    _weight(
        "gt_mean_share",
        "Share of the Charbonnier loss that compares the result scaled to its reference's mean: "
        "brightness can hardly be known, so the rest is learnt in spite of it. Below 1. Unless it "
        "is 0, the other restoration losses compare that result alone.",
        highest=1.0,
    ),
    _weight(
        "synthetic_weight",
        "Weight of the pairs that the degradation generator makes of normal-light photos. 0 "
        "turns them off, and with them the discriminators and the KL loss.",
    ),
    _weight(
        "adversarial_low_weight",
        "Adversarial weight of D_low, which judges synthetic low light.",
    ),
    _weight(
        "adversarial_degradation_weight",
        "Adversarial weight of D_de, which judges degradations.",
    ),
    _weight("kl_weight", "Weight of the KL divergence between degradations."),
    _weight(
        "base_weight",
        "Weight of the difference in mean, by photo and channel, of the base and the bright photo: "
        "the first step takes the darkness away.",
    ),
    _weight(
        "smoothness_weight",
        "Weight of the detail in the degradation: it is to be smooth from pixel to pixel.",
    ),
    _weight("brightness_weight", "Weight of the error of the predicted brightness."),
)
_COUNTS = (
    flags.DEFINE_integer(
        "discriminator_width",
        _DEFAULTS.discriminator_width,
        "Channels of the first of four convolutions of each discriminator; each next has twice as "
        "many. Most of what a step of the mobile preset costs is in those of 64.",
        lower_bound=1,
    ),
    flags.DEFINE_integer(
        "synthetic_blur",
        _DEFAULTS.synthetic_blur,
        "Side in pixels of the blocks whose means of a degradation darken other photos; 1 takes it "
        "with all its details.",
        lower_bound=1,
    ),
    flags.DEFINE_integer(
        "synthetic_start",
        _DEFAULTS.synthetic_start,
        "Steps before the synthetic pairs begin.",
        lower_bound=0,
    ),
    flags.DEFINE_integer(
        "synthetic_ramp",
        _DEFAULTS.synthetic_ramp,
        "Steps over which they, the discriminators and the KL loss grow to full weight.",
        lower_bound=0,
    ),
)


def loss_options() -> LossOptions:
    """Returns the weights and ramps."""
    values: dict[str, Any] = {flag.name: flag.value for flag in (*_WEIGHTS, *_COUNTS)}
    return LossOptions(**values)
