"""The objectives of a training step: of the generators and of the discriminators.

The network processes a real pair. The degradation of its low-light photo then darkens
an unrelated normal-light photo, and the network processes this synthetic pair too:

    I_L,ref = clip(I_ref + I_D, 0, 1)
    I_D,ref = DeG(I_L,ref)    I_B,ref = I_L,ref - I_D,ref    I*_ref = ReG(I_B,ref)

    generators      content (I*, I) and (I*_ref, I_ref), SSIM on the same pairs,
                    adversarial: I_L,ref to D_low, I_D,ref to D_de,
                    KL between I_D and I_D,ref
    discriminators  D_low: I_L is real, I_L,ref is not; D_de: I_D is real, I_D,ref is not

Beyond the paper [chosen]: the network is given the brightness of the whole reference, and
learns to predict it; the mean of the base should equal that of the reference, so that I_D
removes the darkness and ReG adds contrast and colour. Only the low frequencies of I_D darken
another photo, because the rest is content of the photo it comes from.

Generators and discriminators share one forward pass. Written with `keras.ops`: any backend.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from keras import ops

from drgn_tf.brightness import DARKEST
from drgn_tf.losses.adversarial import discriminator_adversarial, generator_adversarial
from drgn_tf.losses.auxiliary_losses import (
    chroma_difference,
    gradient_difference,
    spectral_difference,
)
from drgn_tf.losses.charbonnier import charbonnier
from drgn_tf.losses.gaussian_kl import gaussian_kl
from drgn_tf.losses.ssim import ssim_loss
from drgn_tf.models.brightness import to_scale
from drgn_tf.models.discriminator import Discriminator
from drgn_tf.models.drgn import DRGN
from drgn_tf.models.options import ModelOptions
from drgn_tf.tensors import Tensor

# The restoration losses besides the content loss, on real and synthetic pairs alike.
_RESTORATION = {
    "ssim": ssim_loss,
    "gradient": gradient_difference,
    "spectral": spectral_difference,
    "chroma": chroma_difference,
}

# Pixels: the decoder makes blocks of this side.
_SMOOTH_BLOCK = 4


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights of the losses [chosen]. A weight of 0 removes the term from the graph.

    Attributes:
      content_weight: Charbonnier, on real and synthetic pairs.
      ssim_weight: 1 - SSIM, on real and synthetic pairs.
      gradient_weight: `gradient_difference`, on the same pairs.
      spectral_weight: `spectral_difference`, on the same pairs.
      chroma_weight: `chroma_difference`, on the same pairs.
      gt_mean_share: share of the Charbonnier loss that compares the image scaled to its
        reference's mean (`scale_to_gt_mean`), below 1. Unless it is 0, the SSIM, gradient,
        spectral and chroma losses compare that image only.
      synthetic_weight: factor on the restoration terms above for the synthetic pair. 0 also
        turns off the adversarial and KL terms, which need the synthetic path.
      adversarial_low_weight: adversarial term of D_low.
      adversarial_degradation_weight: adversarial term of D_de.
      discriminator_width: channels of a discriminator's first convolution; three more have 2,
        4 and 8 times as many. With a small network, 64 channels cost most of a step.
      kl_weight: KL between I_D and I_D,ref.
      base_weight: `mean_difference` of I_B and the reference, on real and synthetic pairs.
      smoothness_weight: absolute difference of I_D and its low frequencies, on the same pairs. No
        other loss depends on the pixels of I_D: without it the grid of the decoder stays in I_B,
        and ReG has to remove it.
      brightness_weight: absolute error of the predicted brightness, on its scale (powers of two),
        on real pairs and photometric ones.
      synthetic_blur: side in pixels of the blocks whose mean I_D darkens other photos, smoothly
        interpolated; 1 uses I_D unchanged.
      synthetic_start: steps before the synthetic path begins: until DeG gives plausible
        degradations, the photos made from them are useless.
      synthetic_ramp: steps over which all terms of the path grow to full weight.
    """

    content_weight: float = 1.0
    ssim_weight: float = 0.1
    gradient_weight: float = 0.0
    spectral_weight: float = 0.0
    chroma_weight: float = 0.0
    gt_mean_share: float = 0.0
    synthetic_weight: float = 1.0
    adversarial_low_weight: float = 1e-3
    adversarial_degradation_weight: float = 1e-3
    discriminator_width: int = 64
    kl_weight: float = 1e-3
    base_weight: float = 0.1
    smoothness_weight: float = 0.05
    brightness_weight: float = 0.3
    synthetic_blur: int = 16
    synthetic_start: int = 500
    synthetic_ramp: int = 1000

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            # Written so that NaN is refused too.
            value = getattr(self, field.name)
            if not 0 <= value < math.inf:
                raise ValueError(
                    f"{field.name} must be a finite number of at least 0, not {value}."
                )
        for name in ("discriminator_width", "synthetic_blur"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.gt_mean_share >= 1:
            raise ValueError(
                f"gt_mean_share must be below 1, not {self.gt_mean_share}: no loss would depend "
                "on brightness."
            )
        if not (self.content_weight or self.ssim_weight or self.spectral_weight):
            raise ValueError(
                "content_weight, ssim_weight and spectral_weight are all 0: no loss would depend "
                "on brightness."
            )

    @property
    def synthetic(self) -> bool:
        """Whether the synthetic path is part of training."""
        return self.synthetic_weight > 0

    @property
    def discriminator_widths(self) -> tuple[int, ...]:
        """Channels of a discriminator's convolutions."""
        return tuple(self.discriminator_width * factor for factor in (1, 2, 4, 8))

    @property
    def adversarial_weights(self) -> dict[str, float]:
        """Weight of the adversarial term of each discriminator in use."""
        weights = {
            "low": self.adversarial_low_weight,
            "degradation": self.adversarial_degradation_weight,
        }
        return {name: weight for name, weight in weights.items() if self.synthetic and weight}


def for_model(options: LossOptions, model: ModelOptions) -> LossOptions:
    """Returns the options without the losses that a network cannot have."""
    changes: dict[str, Any] = {}
    if not model.brightness:
        changes["brightness_weight"] = 0.0
    if not model.two_step:
        # Without DeG there is neither a base nor a degradation.
        changes.update(base_weight=0.0, smoothness_weight=0.0, synthetic_weight=0.0)
    return dataclasses.replace(options, **changes)


def term_names(options: LossOptions, synthetic: bool) -> list[str]:
    """Returns the names of the terms that `objective` may report."""
    restoration = [
        name for name in ("content", *_RESTORATION) if getattr(options, f"{name}_weight")
    ]
    restoration += [name for name in ("base", "smoothness") if getattr(options, f"{name}_weight")]
    told = ["brightness"] if options.brightness_weight else []
    if not (synthetic and options.synthetic):
        return restoration + told
    names = restoration + told + [f"synthetic_{name}" for name in restoration]
    if options.kl_weight:
        names.append("kl")
    for name in options.adversarial_weights:
        names += [f"adversarial_{name}", f"discriminator_{name}"]
    return names


def low_frequencies(images: Tensor, block: int) -> Tensor:
    """Returns the means of blocks, interpolated to all pixels.

    Args:
      images: [B, H, W, C], H and W known.
      block: side in pixels, limited to half of the image; 1 changes nothing.

    Returns:
      [B, H, W, C].
    """
    height, width = images.shape[1:3]
    block = min(block, height // 2, width // 2)
    if block <= 1:
        return images
    means = ops.average_pool(images, block, strides=block, padding="same")
    return ops.image.resize(means, (height, width), interpolation="bilinear")


def mean_difference(images: Tensor, references: Tensor) -> Tensor:
    """Returns the absolute difference of the means of each image and channel, averaged.

    Args:
      images: [B, H, W, C].
      references: [B, H, W, C].

    Returns:
      A scalar in units of the image range.
    """
    return ops.mean(ops.abs(ops.mean(images - references, axis=(1, 2))))


def synthesize_low_light(normal: Tensor, degradations: Tensor) -> Tensor:
    """Darkens normal-light photos by the degradations of others.

    Args:
      normal: I_ref [B, H, W, 3] in [0, 1].
      degradations: I_D [B, H, W, 3], signed, or [B, 1, 1, 3].

    Returns:
      I_L,ref [B, H, W, 3] in [0, 1].
    """
    return ops.clip(normal + degradations, 0.0, 1.0)


def scale_to_gt_mean(images: Tensor, references: Tensor) -> Tensor:
    """Scales images so that each has its reference's mean.

    A low-light photo says little about the brightness of its reference. A loss that is dominated
    by brightness teaches the network to recognise scenes; the scaled images let it learn the rest
    in spite of a wrong brightness. (Liao et al., "GT-Mean Loss", ICCV 2025, which weighs both
    losses by the difference in brightness; here the share is fixed.)

    Args:
      images: [B, H, W, C].
      references: [B, H, W, C].

    Returns:
      [B, H, W, C], each image times one factor between 0.4 and 2.5.
    """
    means = [ops.mean(x, axis=(1, 2, 3), keepdims=True) for x in (images, references)]
    # The output of a new network may be black or negative.
    return images * ops.clip(means[1] / ops.maximum(means[0], 0.02), 0.4, 2.5)


def _restoration_terms(
    results: dict[str, Tensor], references: Tensor, options: LossOptions
) -> dict[str, Tensor]:
    terms = {}
    images = results["enhanced"]
    share = options.gt_mean_share
    scaled = scale_to_gt_mean(images, references) if share else images
    if options.content_weight:
        content = charbonnier(images, references)
        if share:
            content = (1.0 - share) * content + share * charbonnier(scaled, references)
        terms["content"] = options.content_weight * content
    for name, loss in _RESTORATION.items():
        if weight := getattr(options, f"{name}_weight"):
            terms[name] = weight * loss(scaled, references)
    if options.base_weight:
        terms["base"] = options.base_weight * mean_difference(results["base"], references)
    if options.smoothness_weight:
        degradation = results["degradation"]
        detail = degradation - low_frequencies(degradation, _SMOOTH_BLOCK)
        terms["smoothness"] = options.smoothness_weight * ops.mean(ops.abs(detail))
    return terms


def _adversarial_terms(
    discriminator: Discriminator, real: Tensor, fake: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns the generator's and the discriminator's loss from one forward pass."""
    logits = discriminator(ops.concatenate([real, fake], axis=0), training=True)
    real_logits, fake_logits = ops.split(logits, 2, axis=0)
    return (
        generator_adversarial(fake_logits),
        discriminator_adversarial(real_logits, fake_logits),
    )


def objective(
    model: DRGN,
    discriminators: Mapping[str, Discriminator],
    batch: Mapping[str, Tensor],
    options: LossOptions,
    ramp: Tensor | None = None,
) -> tuple[Tensor, Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Runs the networks on a batch and returns the losses of generators and discriminators.

    Differentiate the first result with respect to the generators' variables only, the
    second with respect to the discriminators' only: no gradient is stopped in between.

    Args:
      model: a `DRGN`.
      discriminators: a `Discriminator` for each of `options.adversarial_weights`.
      batch: "low", "high" [B, H, W, 3] in [0, 1] and "thumbnail" [B, T, T, 3] of the
        whole low photo; with a brightness input, "brightness" [B] of the whole
        reference; for the synthetic path "normal" [B, H, W, 3], "normal_thumbnail"
        [B, T, T, 3] and "normal_brightness" [B].
      options: weights, as `for_model` gives them.
      ramp: scalar in [0, 1] that scales all terms of the synthetic path; None leaves
        the path out.

    Returns:
      generator loss, discriminator loss (0 without discriminators), a dict of the
      weighted terms, and a dict of images: those of the model, and with the
      synthetic path "synthetic_low", "synthetic_degradation", "synthetic_enhanced".
    """
    told = model.options.brightness

    def run(low: Tensor, thumbnail: Tensor, brightness: str) -> dict[str, Tensor]:
        # A reference that is black has a brightness too: 0 would ask for the prediction.
        wanted = ops.maximum(batch[brightness], DARKEST) if told else None
        return dict(model(low, thumbnail, wanted, training=True))

    images = run(batch["low"], batch["thumbnail"], "brightness")
    terms = _restoration_terms(images, batch["high"], options)
    if options.brightness_weight:
        predicted, wanted = (
            to_scale(ops.reshape(x, (-1,)))
            for x in (images["predicted_brightness"], batch["brightness"])
        )
        terms["brightness"] = options.brightness_weight * ops.mean(ops.abs(predicted - wanted))
    discriminator_loss = ops.zeros(())
    if ramp is not None and options.synthetic:
        degradation = images["degradation"]
        normal = batch["normal"]
        low = synthesize_low_light(normal, low_frequencies(degradation, options.synthetic_blur))
        # The batch has only a thumbnail of the whole normal photo. A degradation is nearly
        # constant per channel, so its mean darkens the thumbnail likewise.
        thumbnail = synthesize_low_light(
            batch["normal_thumbnail"], ops.mean(degradation, axis=(1, 2), keepdims=True)
        )
        synthetic = run(low, thumbnail, "normal_brightness")
        images["synthetic_low"] = low
        images["synthetic_degradation"] = synthetic["degradation"]
        images["synthetic_enhanced"] = synthetic["enhanced"]

        scale = ramp * options.synthetic_weight
        restored = _restoration_terms(synthetic, normal, options)
        terms.update({f"synthetic_{name}": scale * term for name, term in restored.items()})
        if options.kl_weight:
            terms["kl"] = (
                ramp * options.kl_weight * gaussian_kl(degradation, synthetic["degradation"])
            )
        real_and_synthetic = {
            "low": (batch["low"], low),
            "degradation": (degradation, synthetic["degradation"]),
        }
        for name, weight in options.adversarial_weights.items():
            generator_term, discriminator_term = _adversarial_terms(
                discriminators[name], *real_and_synthetic[name]
            )
            terms[f"adversarial_{name}"] = ramp * weight * generator_term
            terms[f"discriminator_{name}"] = discriminator_term
            discriminator_loss = discriminator_loss + discriminator_term
    generator_loss = sum(
        term for name, term in terms.items() if not name.startswith("discriminator")
    )
    return generator_loss, discriminator_loss, terms, images
