"""The Degradation-to-Refinement network.

After "Degrade is Upgrade: Learning Degradation for Low-light Image Enhancement"
(Jiang et al., AAAI 2022, arXiv 2103.10621), in two steps:

    I_D = DeG(I_L)      I_B = I_L - I_D      I* = ReG(I_B)

Images are float32 NHWC RGB in [0, 1]. The paper's code was never released; which
parts are known and which are chosen is listed in docs/design.md.
"""

from __future__ import annotations

import keras
from keras import ops

from drgn_tf.models.context import ContextEncoder, thumbnail
from drgn_tf.models.fusion_network import DegradationGenerator, RefinementGenerator
from drgn_tf.models.options import GRID_FACTOR, ModelOptions
from drgn_tf.models.padding import crop_like, pad_to_multiple


@keras.saving.register_keras_serializable(package="drgn_tf")
class DRGN(keras.Model):
    """Both generators and the context they share.

    Args:
      options: a `ModelOptions`, or its dict.

    Call:
      low: [B, H, W, 3] in [0, 1], any H and W from 1: whole photos, or crops.
      thumbnails: [B, T, T, 3] of the whole photos (`self.thumbnail`) where `low` is a
        crop or a tile. By default they are made from `low`.
      training: True leaves the enhanced photo unlimited, so that values outside
        [0, 1] still have a gradient.
      Returns a dict of [B, H, W, 3]:
        degradation: I_D, signed, mostly negative (what the dark took away).
        base: I_B = I_L - I_D, not limited to [0, 1].
        enhanced: I*, in [0, 1].

    Example:
      model = DRGN(preset("mobile"))
      enhanced = model(low)["enhanced"]
    """

    def __init__(self, options: ModelOptions | dict, **kwargs):
        # Under a policy of mixed precision the layers inside compute in 16 bits; images, whose
        # small differences are what it is about, stay in 32.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if isinstance(options, dict):
            options = ModelOptions(**options)
        self.options = options
        self.context_encoder = ContextEncoder(options.context_width, name="context_encoder")
        self.degradation_generator = (
            DegradationGenerator(options, name="degradation_generator")
            if options.two_step
            else None
        )
        self.refinement_generator = RefinementGenerator(options, name="refinement_generator")

    def build(self, input_shape=None):
        size = self.options.thumbnail_size
        self.context_encoder.build((None, size, size, 3))
        if self.degradation_generator is not None:
            self.degradation_generator.build()
        self.refinement_generator.build()

    def thumbnail(self, photos):
        """Returns what `call` needs to know of whole photos [B, H, W, 3]: [B, T, T, 3]."""
        return thumbnail(photos, self.options.thumbnail_size)

    def call(self, low, thumbnails=None, training: bool = False):
        if thumbnails is None:
            thumbnails = self.thumbnail(low)
        context = self.context_encoder(thumbnails)
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
        return {name: crop_like(image, low) for name, image in images.items()}

    def get_config(self):
        return {**super().get_config(), "options": self.options.to_dict()}
