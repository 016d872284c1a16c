"""The brightness of the result: an input of the network, predicted where it is not given.

A low-light photo does not determine how bright its reference is, even within one scene of
LOL-v1. A network that has to guess learns to recognise scenes; one that is given the
brightness learns the rest better, and the user of a photo, a video or a series of photos can
set it. [chosen]: the paper has none of this.

    scale       log2(brightness / MIDDLE), as the network sees it: brightness is perceived by
                ratios, and an exposure stop (EV) is about 1 / 2.2 everywhere on this scale
    features    the wanted brightness s, and by how much it exceeds that of the photo, g: (s, g,
                relu(-g), g^2), appended to the context of every channel attention. Where g is 0,
                the photo is to stay; brighter and darker need not have opposite effects
    prediction  from the context of the whole photo, where no brightness is given: never below
                the photo's own, so that photos in normal light stay as they are
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from drgn_tf.brightness import BRIGHTEST, DARKEST, LUMA
from drgn_tf.models.options import BRIGHTNESS_FEATURES
from drgn_tf.tensors import Shape, Tensor

# About the mean luma of normal-light photos.
MIDDLE = 0.4
# Half a level of 8 bits, below which the mean of a thumbnail is that of a black photo.
SMALLEST_MEAN = 0.5 / 255
# A brightness of 0 means "automatic"; every valid one is far above it.
_SWITCH = 2.0 / DARKEST


def _log2(x: Tensor) -> Tensor:
    # Not `ops.log2`, which not all runtimes have.
    return ops.log(x) * (1.0 / math.log(2.0))


def to_scale(brightness: Tensor) -> Tensor:
    """Returns log2(brightness / MIDDLE), with brightness limited to the valid range."""
    limited = ops.minimum(ops.maximum(brightness, DARKEST), BRIGHTEST)
    return _log2(limited) - math.log2(MIDDLE)


def from_scale(scale: Tensor) -> Tensor:
    """Returns the brightness of a value on the scale, the inverse of `to_scale`."""
    return ops.exp((scale + math.log2(MIDDLE)) * math.log(2.0))


def of_thumbnails(thumbnails: Tensor) -> Tensor:
    """Returns the brightness of low-light photos on the scale: [B, T, T, 3] -> [B, 1, 1, 1].

    A photo may be darker than any brightness that can be asked for.
    """
    mean = ops.mean(thumbnails, axis=(1, 2), keepdims=True)
    # A convolution, because mobile GPUs have no mean over channels.
    luma = ops.conv(mean, ops.reshape(ops.array(LUMA, mean.dtype), (1, 1, 3, 1)))
    return _log2(ops.maximum(ops.cast(luma, "float32"), SMALLEST_MEAN)) - math.log2(MIDDLE)


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


def features(scale: Tensor, own: Tensor) -> Tensor:
    """Returns the features of a wanted brightness.

    Args:
      scale: [B, 1, 1, 1], the brightness on the scale.
      own: [B, 1, 1, 1], from `of_thumbnails`.

    Returns:
      [B, 1, 1, 4].
    """
    gain = scale - own
    # relu(-gain), without a negation, which not all mobile GPUs run.
    below = ops.relu(gain) - gain
    # Not `square`, which TensorFlow Lite fuses with the difference, for which it has no 16 bits.
    parts = [scale, gain, below, gain * gain]
    assert len(parts) == BRIGHTNESS_FEATURES
    return ops.concatenate(parts, axis=-1)


@keras.saving.register_keras_serializable(package="drgn_tf")
class BrightnessPredictor(layers.Layer):
    """Predicts the brightness of the result.

    Two dense layers (as 1x1 convolutions) on the context of the whole photo. The result is at
    least the brightness of the photo: automatic never makes it darker.

    Args:
      width: of the hidden layer.

    Call:
      context: [B, 1, 1, K].
      own: [B, 1, 1, 1], from `of_thumbnails`.
      Returns [B, 1, 1, 1] on the scale, within the valid range.
    """

    def __init__(self, width: int = 16, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width

    def build(self, context_shape: Shape, own_shape: Shape | None = None) -> None:
        self.hidden = layers.Conv2D(self.width, 1, activation="leaky_relu")
        self.hidden.build(context_shape)
        # A new network predicts the middle for photos that are darker.
        self.output_layer = layers.Conv2D(1, 1, kernel_initializer="zeros")
        self.output_layer.build((None, 1, 1, self.width))

    def call(self, context: Tensor, own: Tensor) -> Tensor:
        scale = ops.cast(self.output_layer(self.hidden(context)), "float32")
        scale = ops.maximum(scale, own)
        lowest, highest = (math.log2(x / MIDDLE) for x in (DARKEST, BRIGHTEST))
        return ops.minimum(ops.maximum(scale, lowest), highest)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
