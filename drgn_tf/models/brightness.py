"""The brightness of the result: an input of the network, predicted where it is not given.

A low-light photo does not determine how bright its reference is, even within one scene of
LOL-v1. A network that has to guess learns to recognise scenes; one that is given the
brightness learns the rest better, and the user of a photo, a video or a series of photos can
set it. [chosen]: the paper has none of this.

    scale       log2(brightness / MIDDLE), as the network sees it: brightness is perceived by
                ratios, and an exposure stop (EV) is about 1 / 2.2 everywhere on this scale
    features    (s, relu(s), relu(-s), s^2), appended to the context of every channel
                attention: brighter and darker need not have opposite effects
    prediction  from the context of the whole photo, where no brightness is given
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from drgn_tf.brightness import BRIGHTEST, DARKEST
from drgn_tf.models.options import BRIGHTNESS_FEATURES
from drgn_tf.tensors import Shape, Tensor

# About the mean luma of normal-light photos.
MIDDLE = 0.4
# A brightness of 0 means "automatic"; every valid one is far above it.
_SWITCH = 2.0 / DARKEST


def to_scale(brightness: Tensor) -> Tensor:
    """Returns log2(brightness / MIDDLE), with brightness limited to the valid range."""
    limited = ops.minimum(ops.maximum(brightness, DARKEST), BRIGHTEST)
    return ops.log(limited) * (1.0 / math.log(2.0)) - math.log2(MIDDLE)


def from_scale(scale: Tensor) -> Tensor:
    """Returns the brightness of a value on the scale, the inverse of `to_scale`."""
    return ops.exp((scale + math.log2(MIDDLE)) * math.log(2.0))


def choose(given: Tensor, predicted: Tensor) -> Tensor:
    """Returns the given brightness where there is one, else the predicted one.

    Uses arithmetic, because not all mobile GPUs support a selection.

    Args:
      given: [B, 1, 1, 1] brightness, 0 for automatic.
      predicted: [B, 1, 1, 1], on the scale.

    Returns:
      [B, 1, 1, 1], on the scale.
    """
    is_given = ops.minimum(ops.maximum(given * _SWITCH, 0.0), 1.0)
    return is_given * to_scale(given) + (1.0 - is_given) * predicted


def features(scale: Tensor) -> Tensor:
    """Returns the features of a brightness on the scale: [B, 1, 1, 1] -> [B, 1, 1, 4]."""
    above = ops.relu(scale)
    # relu(-scale), without a negation, which not all mobile GPUs run.
    below = above - scale
    parts = [scale, above, below, ops.square(scale)]
    assert len(parts) == BRIGHTNESS_FEATURES
    return ops.concatenate(parts, axis=-1)


@keras.saving.register_keras_serializable(package="drgn_tf")
class BrightnessPredictor(layers.Layer):
    """Predicts the brightness of the result.

    Two dense layers (as 1x1 convolutions) on the context of the whole photo.

    Args:
      width: of the hidden layer.

    Call:
      context: [B, 1, 1, K].
      Returns [B, 1, 1, 1] on the scale, within the valid range.
    """

    def __init__(self, width: int = 16, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width

    def build(self, context_shape: Shape) -> None:
        self.hidden = layers.Conv2D(self.width, 1, activation="leaky_relu")
        self.hidden.build(context_shape)
        # A new network predicts the middle.
        self.output_layer = layers.Conv2D(1, 1, kernel_initializer="zeros")
        self.output_layer.build((None, 1, 1, self.width))

    def call(self, context: Tensor) -> Tensor:
        scale = ops.cast(self.output_layer(self.hidden(context)), "float32")
        lowest, highest = (math.log2(x / MIDDLE) for x in (DARKEST, BRIGHTEST))
        return ops.minimum(ops.maximum(scale, lowest), highest)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
