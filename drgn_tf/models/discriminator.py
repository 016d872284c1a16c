"""The discriminators: D_low for low-light photos, D_de for degradations.

[chosen]: four strided 3x3 convolutions with spectral normalisation (Miyato et al.,
ICLR 2018) and LeakyReLU, the mean over the image, one logit: any crop size.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from drgn_tf.tensors import Shape, Tensor


class _SpectralNormalization(layers.SpectralNormalization):
    """Keras' layer, without its branch for kernels that are all 0.

    None of ours is, and the branch and its gradients were half of a step's graph.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training:
            vector, kernel = self.normalized_weights()
            self.vector_u.assign(vector)
            self.kernel.assign(kernel)
        return self.layer(inputs)


@keras.saving.register_keras_serializable(package="drgn_tf")
class Discriminator(keras.Model):
    """Classifies images as real or generated.

    Args:
      widths: channels of the convolutions; each halves the image.

    Call:
      images: [B, H, W, 3], any H and W.
      training: True first normalises each kernel in place by an estimate of its spectral norm.
      Returns logits [B, 1], positive for real images.
    """

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), **kwargs: Any):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.convolutions = [
            _SpectralNormalization(
                layers.Conv2D(width, 3, strides=2, padding="same"), name=f"convolution_{i}"
            )
            for i, width in enumerate(self.widths)
        ]
        self.activation = layers.LeakyReLU(negative_slope=0.2)
        self.pool = layers.GlobalAveragePooling2D()
        self.to_logit = _SpectralNormalization(layers.Dense(1), name="to_logit")

    def build(self, input_shape: Shape | None = None) -> None:
        channels = 3
        for convolution, width in zip(self.convolutions, self.widths):
            convolution.build((None, None, None, channels))
            channels = width
        self.to_logit.build((None, channels))

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        x = images
        for convolution in self.convolutions:
            x = self.activation(convolution(x, training=training))
        return self.to_logit(self.pool(x), training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "widths": self.widths}
