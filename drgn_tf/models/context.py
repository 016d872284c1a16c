"""What the whole photo looks like, told to every part of the network.

A low-light photo does not say how bright it ought to become; a crop of it says
even less. Channel attention usually gathers its statistics from whatever the
network is shown: a crop in training, the photo in a test, a tile of a large one.
The three differ, and with them the brightness of the result.

Here the statistics come from one place: a thumbnail of the whole photo. In
training it comes beside the crop, in a tile beside the tile, and when nothing is
given it is made from the image itself. Everything else in the network is local, so
a tile with enough surroundings gives exactly the pixels of the whole photo.

[chosen]: the paper shows channel attention only; see docs/design.md.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from drgn_tf.models.options import GRID_FACTOR
from drgn_tf.models.padding import pad_at_least
from drgn_tf.tensors import Shape, Tensor

# Of the normalised thumbnail. Below half a level of 8 bits there is nothing to see; lamps in a
# dark scene must not outshine all else.
_NORMAL_MEAN = 0.4
_SMALLEST_MEAN = 0.5 / 255
_BRIGHTEST = 3.0


def thumbnail(image: Tensor, size: int) -> Tensor:
    """Returns a small square view of whole photos, whatever their shape.

    4x4 averages, then bilinear sampling: both exist in every runtime, with sizes
    unknown until run time too. Width and height are scaled independently; what is
    read from the thumbnail are statistics, not shapes.

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
      normalised: it sees the thumbnail a second time, scaled to one mean: a scene looks alike
        there however dark it was photographed.

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
            # One factor for all channels: the colour of the light stays visible.
            mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
            scaled = x * (_NORMAL_MEAN / ops.maximum(mean, _SMALLEST_MEAN))
            x = ops.concatenate([x, ops.minimum(scaled, _BRIGHTEST)], axis=-1)
        for convolution, activation in zip(self.convolutions, self.activations):
            x = activation(convolution(x))
        return self.pool(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "normalised": self.normalised}
