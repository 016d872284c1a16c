"""Flags of the losses. A weight of 0 removes the term."""

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
    _weight("chroma_weight", "Weight of the differences of Cb and Cr, colour without luminance."),
    _weight(
        "gt_mean_share",
        "Share, below 1, of the Charbonnier loss that compares the result scaled to the mean of "
        "its reference, so that the rest is learnt in spite of a wrong brightness. Unless it is "
        "0, all other restoration losses compare only the scaled result.",
        highest=1.0,
    ),
    _weight(
        "synthetic_weight",
        "Weight of the synthetic pairs made by the degradation generator from normal-light photos. "
        "0 turns them off, and with them the discriminators and the KL loss.",
    ),
    _weight(
        "adversarial_low_weight",
        "Adversarial weight of D_low, the discriminator of low-light photos.",
    ),
    _weight(
        "adversarial_degradation_weight",
        "Adversarial weight of D_de, the discriminator of degradations.",
    ),
    _weight("kl_weight", "Weight of the KL divergence between degradations."),
    _weight(
        "base_weight",
        "Weight of the difference in mean, by photo and channel, of the base and the reference, so "
        "that the first step removes the darkness.",
    ),
    _weight(
        "smoothness_weight",
        "Weight of the detail in the degradation, which should be smooth from pixel to pixel.",
    ),
    _weight("brightness_weight", "Weight of the error of the predicted brightness."),
)
_COUNTS = (
    flags.DEFINE_integer(
        "discriminator_width",
        _DEFAULTS.discriminator_width,
        "Channels of the first of four convolutions of each discriminator; each further one has "
        "twice as many. With 64, discriminators cost most of a step of the mobile preset.",
        lower_bound=1,
    ),
    flags.DEFINE_integer(
        "synthetic_blur",
        _DEFAULTS.synthetic_blur,
        "Side in pixels of the blocks whose mean degradations darken other photos; 1 keeps all "
        "details.",
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
        "Steps over which they, the discriminators and the KL loss ramp up to full weight.",
        lower_bound=0,
    ),
)


def loss_options() -> LossOptions:
    """Returns the weights and ramps."""
    values: dict[str, Any] = {flag.name: flag.value for flag in (*_WEIGHTS, *_COUNTS)}
    return LossOptions(**values)
