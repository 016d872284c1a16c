"""Residual channel-attention blocks (RCAB; Zhang et al., ECCV 2018, arXiv 1807.02758)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from drgn_tf.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="drgn_tf")
class ChannelAttention(layers.Layer):
    """Scales and shifts each channel, depending on the context.

    A bottleneck on the context vector, then a sigmoid for the scales and a linear
    layer for the shifts, all 1x1 convolutions. The original has no shifts and pools
    its vector from the features themselves; `drgn_tf.models.context` explains the
    difference, and docs/design.md measures both.

    Args:
      reduction: bottleneck, as a divisor of the number of channels.

    Call:
      features: [B, H, W, C].
      context: [B, 1, 1, K].
      Returns [B, H, W, C].
    """

    def __init__(self, reduction: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, features_shape: Shape, context_shape: Shape) -> None:
        channels = features_shape[-1]
        # Contexts of different photos point in almost the same direction: with a plain ReLU
        # two of five units would be inactive for all of them, and never learn.
        self.squeeze = layers.Conv2D(channels // self.reduction, 1, activation="leaky_relu")
        self.squeeze.build(context_shape)
        self.excite = layers.Conv2D(channels, 1, activation="sigmoid")
        self.excite.build((None, 1, 1, channels // self.reduction))
        # Zeros: a new network starts as plain channel attention.
        self.shift = layers.Conv2D(channels, 1, kernel_initializer="zeros")
        self.shift.build((None, 1, 1, channels // self.reduction))

    def call(self, features: Tensor, context: Tensor) -> Tensor:
        squeezed = self.squeeze(context)
        return features * self.excite(squeezed) + self.shift(squeezed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}


@keras.saving.register_keras_serializable(package="drgn_tf")
class ResidualChannelAttentionBlock(layers.Layer):
    """3x3 convolution, ReLU, 3x3 convolution, channel attention, plus the input.

    Args:
      reduction: see `ChannelAttention`.

    Call:
      features: [B, H, W, C].
      context: [B, 1, 1, K].
      Returns [B, H, W, C].
    """

    def __init__(self, reduction: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.reduction = reduction
        self.attention = ChannelAttention(reduction)

    def build(self, features_shape: Shape, context_shape: Shape) -> None:
        channels = features_shape[-1]
        self.first = layers.Conv2D(channels, 3, padding="same", activation="relu")
        self.first.build(features_shape)
        self.second = layers.Conv2D(channels, 3, padding="same")
        self.second.build(features_shape)
        self.attention.build(features_shape, context_shape)

    def call(self, features: Tensor, context: Tensor) -> Tensor:
        return features + self.attention(self.second(self.first(features)), context)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reduction": self.reduction}
