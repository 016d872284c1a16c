"""The context: a vector that describes the whole photo, an input of every attention block.

Channel attention usually pools its statistics from the network's input: a crop in
training, the whole photo in a test, a tile of a large one. The three differ, and
with them the brightness of the result.

Here the statistics come from a thumbnail of the whole photo. It accompanies each
crop in training and each tile in inference; where it is not given, it is made from
the image itself. Everything else in the network is local, so a tile with enough
surroundings gives exactly the pixels of the whole photo.

[chosen]: the paper shows channel attention only; see docs/design.md.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from drgn_tf.models.brightness import SMALLEST_MEAN
from drgn_tf.models.options import GRID_FACTOR
from drgn_tf.models.padding import pad_at_least
from drgn_tf.tensors import Shape, Tensor

# Of the normalised thumbnail; lamps in a dark scene must not dominate.
_NORMAL_MEAN = 0.4
_BRIGHTEST = 3.0


def thumbnail(image: Tensor, size: int) -> Tensor:
    """Returns a small square view of whole photos, whatever their shape.

    4x4 averages, then bilinear sampling: every runtime has both, also for sizes
    unknown until run time. Width and height are scaled independently, because the
    thumbnail serves for statistics, not for shapes.

    Args:
      image: [B, H, W, 3] in [0, 1], any H and W.
      size: height and width of the result in pixels.

    Returns:
      [B, size, size, 3] in [0, 1].
    """
    image = pad_at_least(image, GRID_FACTOR)
    reduced = ops.average_pool(image, GRID_FACTOR, strides=GRID_FACTOR)
    return ops.image.resize(reduced, (size, size), interpolation="bilinear", antialias=False)


@keras.saving.register_keras_serializable(package="drgn_tf")
class ContextEncoder(layers.Layer):
    """Turns thumbnails into context vectors.

    Three stride-2 3x3 convolutions with PReLU, then the mean over the image.

    Args:
      width: length of the vector.
      normalised: whether the input includes the thumbnail a second time, scaled to a fixed
        mean: there a scene looks the same however dark it was photographed.

    Call:
      thumbnails: [B, T, T, 3] in [0, 1] -> [B, 1, 1, width].
    """

    def __init__(self, width: int, normalised: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.normalised = normalised
        self.convolutions = [
            layers.Conv2D(channels, 3, strides=2, padding="same", name=f"convolution_{i}")
            for i, channels in enumerate((width // 2, width, width))
        ]
        self.activations = [
            layers.PReLU(shared_axes=(1, 2), name=f"activation_{i}") for i in range(3)
        ]
        self.pool = layers.GlobalAveragePooling2D(keepdims=True)

    def build(self, input_shape: Shape) -> None:
        channels = 6 if self.normalised else 3
        for convolution, activation in zip(self.convolutions, self.activations):
            convolution.build((None, None, None, channels))
            channels = convolution.filters
            activation.build((None, None, None, channels))

    def call(self, thumbnails: Tensor) -> Tensor:
        x = thumbnails
        if self.normalised:
            # One factor for all channels: the colour of the light stays visible. Mobile GPUs
            # average over height and width alone, so the channels are averaged by a convolution.
            mean = ops.mean(x, axis=(1, 2), keepdims=True)
            mean = ops.conv(mean, ops.full((1, 1, 3, 3), 1.0 / 3.0, mean.dtype))
            scaled = x * (_NORMAL_MEAN * ops.reciprocal(ops.maximum(mean, SMALLEST_MEAN)))
            x = ops.concatenate([x, ops.minimum(scaled, _BRIGHTEST)], axis=-1)
        for convolution, activation in zip(self.convolutions, self.activations):
            x = activation(convolution(x))
        return self.pool(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "normalised": self.normalised}
