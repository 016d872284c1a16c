"""The Degradation-to-Refinement network.

After "Degrade is Upgrade: Learning Degradation for Low-light Image Enhancement"
(Jiang et al., AAAI 2022, arXiv 2103.10621), in two steps:

    I_D = DeG(I_L)      I_B = I_L - I_D      I* = ReG(I_B)

Both are given the brightness that I* should have [chosen], so I_B already has it; where it is not
given, the network predicts it from the whole photo. See `drgn_tf.models.brightness`.

Images are float32 NHWC RGB in [0, 1]. The paper's code was never released; which
parts are known and which are chosen is listed in docs/design.md.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from drgn_tf.models import brightness as brightness_scale
from drgn_tf.models.brightness import BrightnessPredictor
from drgn_tf.models.context import ContextEncoder, thumbnail
from drgn_tf.models.fusion_network import DegradationGenerator, RefinementGenerator
from drgn_tf.models.options import GRID_FACTOR, ModelOptions
from drgn_tf.models.padding import crop_like, pad_to_multiple
from drgn_tf.tensors import Shape, Tensor


def _column(values: Tensor) -> Tensor:
    """[B, 1, 1, 1] -> [B, 1]; mobile GPUs have no slices that drop dimensions."""
    return ops.reshape(values, (-1, 1))


@keras.saving.register_keras_serializable(package="drgn_tf")
class DRGN(keras.Model):
    """Both generators and the context they share.

    Args:
      options: a `ModelOptions`, or its dict.

    Call:
      low: [B, H, W, 3] in [0, 1], any H and W from 1: whole photos, or crops.
      thumbnails: [B, T, T, 3] of the whole photos (`self.thumbnail`) where `low` is a
        crop or a tile. By default they are made from `low`.
      brightness: [B] or [B, 1], mean luma in (0, 1] that the whole enhanced photos should have;
        0, like None, uses the prediction. Only with `options.brightness`.
      training: True does not clip the enhanced photo, so that values outside [0, 1]
        still have a gradient.
      Returns a dict of [B, H, W, 3]:
        degradation: I_D, signed, mostly negative.
        base: I_B = I_L - I_D, not limited to [0, 1].
        enhanced: I*, in [0, 1].
      and with `options.brightness` [B, 1]:
        brightness: that the enhanced photos should have.
        predicted_brightness: that is used where none is given.

    Example:
      model = DRGN(preset("mobile"))
      enhanced = model(low)["enhanced"]
      brighter = model(low, brightness=1.2 * model.predicted_brightness(low))["enhanced"]
    """

    def __init__(self, options: ModelOptions | dict[str, Any], **kwargs: Any):
        # Under a mixed-precision policy the inner layers compute in 16 bits; images stay in 32,
        # because their small differences matter.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if isinstance(options, dict):
            options = ModelOptions(**options)
        self.options = options
        self.context_encoder = ContextEncoder(
            options.context_width, options.normalised_thumbnail, name="context_encoder"
        )
        self.brightness_predictor = (
            BrightnessPredictor(name="brightness_predictor") if options.brightness else None
        )
        self.degradation_generator = (
            DegradationGenerator(options, name="degradation_generator")
            if options.two_step
            else None
        )
        self.refinement_generator = RefinementGenerator(options, name="refinement_generator")

    def build(self, input_shape: Shape | None = None) -> None:
        size = self.options.thumbnail_size
        self.context_encoder.build((None, size, size, 3))
        if self.brightness_predictor is not None:
            self.brightness_predictor.build((None, 1, 1, self.options.context_width))
        if self.degradation_generator is not None:
            self.degradation_generator.build()
        self.refinement_generator.build()

    def thumbnail(self, photos: Tensor) -> Tensor:
        """Returns the thumbnails of whole photos for `call`: [B, H, W, 3] -> [B, T, T, 3]."""
        return thumbnail(photos, self.options.thumbnail_size)

    def predicted_brightness(self, low: Tensor, thumbnails: Tensor | None = None) -> Tensor:
        """Returns the brightness that `call` uses where none is given: [B, 1], mean luma."""
        if self.brightness_predictor is None:
            raise ValueError("this network was made without options.brightness: it predicts none.")
        if thumbnails is None:
            thumbnails = self.thumbnail(low)
        return self._told(thumbnails, None)[1]["predicted_brightness"]

    def _told(
        self, thumbnails: Tensor, brightness: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the input of attention, and the wanted and the predicted brightness, [B, 1]."""
        context = self.context_encoder(thumbnails)
        if self.brightness_predictor is None:
            if brightness is not None:
                raise ValueError("this network was made without options.brightness; leave it out.")
            return context, {}
        own = brightness_scale.of_thumbnails(thumbnails)
        predicted = aimed = self.brightness_predictor(context, own)
        if brightness is not None:
            given = ops.reshape(ops.cast(brightness, "float32"), (-1, 1, 1, 1))
            aimed = brightness_scale.choose(given, predicted)
        told = ops.cast(brightness_scale.features(aimed, own), context.dtype)
        values = {"brightness": aimed, "predicted_brightness": predicted}
        return ops.concatenate([context, told], axis=-1), {
            name: _column(brightness_scale.from_scale(value)) for name, value in values.items()
        }

    def call(
        self,
        low: Tensor,
        thumbnails: Tensor | None = None,
        brightness: Tensor | None = None,
        training: bool = False,
    ) -> dict[str, Tensor]:
        if thumbnails is None:
            thumbnails = self.thumbnail(low)
        context, values = self._told(thumbnails, brightness)
        padded = pad_to_multiple(low, GRID_FACTOR)
        if self.degradation_generator is None:
            degradation = ops.zeros_like(padded)
        else:
            degradation = self.degradation_generator(padded, context, aligned=True)
        base = padded - degradation
        enhanced = self.refinement_generator(base, context, aligned=True)
        if not training:
            enhanced = ops.clip(enhanced, 0.0, 1.0)
        images = {"degradation": degradation, "base": base, "enhanced": enhanced}
        return {**{name: crop_like(image, low) for name, image in images.items()}, **values}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "options": self.options.to_dict()}
