"""How bright the result is to be: an input of the network, and its own proposal.

No photo tells how bright it ought to become: within one scene the references of LOL-v1 differ
by more than their low-light photos do. A network that has to guess spends itself on
recognising scenes; one that is told learns the rest better, and a person, a film or a series
of photos can set the one number that is theirs to set. [chosen]: nothing of this is in the
paper.

    stops       log2(brightness / MIDDLE), the scale on which the network sees it: brightness
                is judged by ratios, and a photographic stop is 1 / 2.2 on it anywhere
    features    (s, relu(s), relu(-s), s^2), appended to the context that every channel
                attention is told: brighter and darker need not be opposites
    prediction  from the context of the whole photo, where none is given
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from drgn_tf.brightness import BRIGHTEST, DARKEST
from drgn_tf.models.options import BRIGHTNESS_FEATURES
from drgn_tf.tensors import Shape, Tensor

# About the mean of photos in normal light.
MIDDLE = 0.4
# A brightness of zero stands for "automatic"; any that can be asked for lies far above.
_SWITCH = 2.0 / DARKEST


def to_scale(brightness: Tensor) -> Tensor:
    """Returns log2(brightness / MIDDLE), brightness limited to what can be asked for."""
    limited = ops.minimum(ops.maximum(brightness, DARKEST), BRIGHTEST)
    return ops.log(limited) * (1.0 / math.log(2.0)) - math.log2(MIDDLE)


def from_scale(scale: Tensor) -> Tensor:
    """Returns the brightness of a place on the scale, the inverse of `to_scale`."""
    return ops.exp((scale + math.log2(MIDDLE)) * math.log(2.0))


def choose(given: Tensor, predicted: Tensor) -> Tensor:
    """Returns the given brightness where there is one, else the predicted.

    Arithmetic instead of a selection, which mobile GPUs do not all run.

    Args:
      given: [B, 1, 1, 1] brightness, 0 for automatic.
      predicted: [B, 1, 1, 1], on the scale.

    Returns:
      [B, 1, 1, 1], on the scale.
    """
    is_given = ops.minimum(ops.maximum(given * _SWITCH, 0.0), 1.0)
    return is_given * to_scale(given) + (1.0 - is_given) * predicted


def features(scale: Tensor) -> Tensor:
    """Returns what attention is told of a brightness: [B, 1, 1, 1] -> [B, 1, 1, 4]."""
    parts = [scale, ops.relu(scale), ops.relu(-scale), ops.square(scale)]
    assert len(parts) == BRIGHTNESS_FEATURES
    return ops.concatenate(parts, axis=-1)


@keras.saving.register_keras_serializable(package="drgn_tf")
class BrightnessPredictor(layers.Layer):
    """Predicts how bright the result is to be.

    Two dense layers (as 1x1 convolutions) on the context of the whole photo.

    Args:
      width: of the hidden layer.

    Call:
      context: [B, 1, 1, K].
      Returns [B, 1, 1, 1] on the scale, within what can be asked for.
    """

    def __init__(self, width: int = 16, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width

    def build(self, context_shape: Shape) -> None:
        self.hidden = layers.Conv2D(self.width, 1, activation="leaky_relu")
        self.hidden.build(context_shape)
        # A new network proposes the middle.
        self.output_layer = layers.Conv2D(1, 1, kernel_initializer="zeros")
        self.output_layer.build((None, 1, 1, self.width))

    def call(self, context: Tensor) -> Tensor:
        scale = ops.cast(self.output_layer(self.hidden(context)), "float32")
        lowest, highest = (math.log2(x / MIDDLE) for x in (DARKEST, BRIGHTEST))
        return ops.minimum(ops.maximum(scale, lowest), highest)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
