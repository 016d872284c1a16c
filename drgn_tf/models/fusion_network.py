"""The multi-resolution fusion network (MFN), and the two generators made of it.

Grids, from fine to coarse (H and W are the padded height and width):

    1    the image, 3 channels. No feature map exists here: space_to_depth takes
         the image to the next grid, depth_to_space brings the result back. A
         full-size feature map of a 12 MP photo would need more memory than all
         other feature maps together.
    1/2  `half_width` channels: first convolutions, last blocks of the decoder.
    1/4  `width` channels: the branches and the fusion.

Stages:

    pyramid   the image at 1, 1/2 and 1/4, by 2x2 averages
    branches  one per scale: 3x3 convolutions and PReLU down to the 1/4 grid, then
              residual channel-attention blocks; the coarser branch's features are
              added to the next finer one's
    fusion    concatenation, 1x1 convolution, residual channel-attention blocks
    decoder   two x2 subpixel steps; between them the 1/2-grid features of the branches are
              added, and residual channel-attention blocks follow; 3 linear channels

Known of the paper's network are the three encoders, one fusion and one decoder;
that the decoder is two x2 steps was measured from its figure; the rest follows the
same authors' MSPFN (Jiang et al., CVPR 2020) or is chosen. See docs/design.md.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from drgn_tf.models.attention import ResidualChannelAttentionBlock
from drgn_tf.models.options import GRID_FACTOR, ModelOptions
from drgn_tf.models.padding import crop_like, pad_to_multiple
from drgn_tf.tensors import Shape, Tensor


class ICNR(keras.initializers.GlorotUniform):
    """Initialises a convolution before `depth_to_space` equally for all pixels of a block.

    Otherwise each of the 2x2 pixels starts with different weights, and the resulting pattern
    takes long to unlearn (Aitken et al., 2017, arXiv 1707.02937, "ICNR").
    """

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        kernel = super().__call__((*shape[:-1], shape[-1] // 4), dtype)
        # depth_to_space reads [row, column, channel] from the last axis.
        return ops.tile(kernel, (1, 1, 1, 4))


@keras.saving.register_keras_serializable(package="drgn_tf")
class ConvolutionPReLU(layers.Layer):
    """A 3x3 convolution followed by a PReLU with one slope per channel.

    Args:
      filters: output channels.
      strides: 1, or 2 for half the size.

    Call:
      x: [B, H, W, C] -> [B, H / strides, W / strides, filters].
    """

    def __init__(self, filters: int, strides: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.convolution = layers.Conv2D(filters, 3, strides=strides, padding="same")
        self.activation = layers.PReLU(shared_axes=(1, 2))

    def build(self, input_shape: Shape) -> None:
        self.convolution.build(input_shape)
        self.activation.build((None, None, None, self.filters))

    def call(self, x: Tensor) -> Tensor:
        return self.activation(self.convolution(x))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


def _subpixel_convolution(
    channels: int, name: str, kernel_size: int = 3, dtype: str | None = None
) -> layers.Conv2D:
    return layers.Conv2D(
        4 * channels,
        kernel_size,
        padding="same",
        kernel_initializer=ICNR(),
        name=name,
        dtype=dtype,
    )


class _Branch(layers.Layer):
    """One scale's encoder: from the image at that scale to features on the 1/4 grid.

    Args:
      options: of the network.
      scale: 0 for the full image, 1 for 1/2, 2 for 1/4.

    Call:
      image: [B, H / 2**scale, W / 2**scale, 3].
      coarser: [B, H/4, W/4, width] of the next coarser branch, or None.
      context: [B, 1, 1, told_width].
      Returns the features [B, H/4, W/4, width], and a list of those on the 1/2 grid
      [B, H/2, W/2, half_width] for the decoder (empty on the 1/4 scale).
    """

    def __init__(self, options: ModelOptions, scale: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale
        self._options = options
        if scale == 2:
            self.half_stem = None
            self.stem = ConvolutionPReLU(options.width, name="stem")
        else:
            self.half_stem = ConvolutionPReLU(options.half_width, name="half_stem")
            self.stem = ConvolutionPReLU(options.width, strides=2, name="stem")
        self.blocks = [
            ResidualChannelAttentionBlock(options.reduction, name=f"block_{i}")
            for i in range(options.branch_blocks)
        ]

    def build(self, _: Shape | None = None) -> None:
        options = self._options
        if self.half_stem is None:
            self.stem.build((None, None, None, 3))
        else:
            self.half_stem.build((None, None, None, 12 if self.scale == 0 else 3))
            self.stem.build((None, None, None, options.half_width))
        _build_blocks(self.blocks, options.width, options)

    def call(
        self, image: Tensor, coarser: Tensor | None, context: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        halves = []
        x = image
        if self.half_stem is not None:
            if self.scale == 0:
                x = ops.space_to_depth(x, 2)
            x = self.half_stem(x)
            halves = [x]
        x = self.stem(x)
        if coarser is not None:
            x = x + coarser
        for block in self.blocks:
            x = block(x, context)
        return x, halves


def _build_blocks(
    blocks: list[ResidualChannelAttentionBlock], channels: int, options: ModelOptions
) -> None:
    for block in blocks:
        block.build((None, None, None, channels), (None, 1, 1, options.told_width))


@keras.saving.register_keras_serializable(package="drgn_tf")
class MultiResolutionFusionNetwork(keras.Model):
    """Maps an image to an image, conditioned on a context vector of the whole photo.

    Args:
      options: a `ModelOptions`, or its dict.

    Call:
      image: float32 [B, H, W, 3] in [0, 1], any H and W from 1.
      context: float32 [B, 1, 1, options.told_width], from a `ContextEncoder`, followed by the
        features of the brightness.
      aligned: the caller has padded the image to multiples of 4 already.
      Returns float32 [B, H, W, 3], not limited to any range.
    """

    def __init__(self, options: ModelOptions | dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(options, dict):
            options = ModelOptions(**options)
        self.options = options
        self.branches = [
            _Branch(options, scale, name=f"branch_{scale}") for scale in range(options.scales)
        ]
        self.fuse = layers.Conv2D(options.width, 1, name="fuse")
        self.blocks = [
            ResidualChannelAttentionBlock(options.reduction, name=f"block_{i}")
            for i in range(options.fusion_blocks)
        ]
        # The blocks that follow see the neighbours.
        self.up = _subpixel_convolution(
            options.half_width, "up", kernel_size=1 if options.half_blocks else 3
        )
        self.half_blocks = [
            ResidualChannelAttentionBlock(options.reduction, name=f"half_block_{i}")
            for i in range(options.half_blocks)
        ]
        self.refine = ConvolutionPReLU(options.half_width, name="refine")
        # Mixed precision ends here: 16 bits are too coarse for an image.
        self.to_image = _subpixel_convolution(3, "to_image", dtype="float32")

    def build(self, image_shape: Shape | None = None, context_shape: Shape | None = None) -> None:
        options = self.options
        for branch in self.branches:
            branch.build()
        self.fuse.build((None, None, None, options.scales * options.width))
        _build_blocks(self.blocks, options.width, options)
        self.up.build((None, None, None, options.width))
        _build_blocks(self.half_blocks, options.half_width, options)
        self.refine.build((None, None, None, options.half_width))
        self.to_image.build((None, None, None, options.half_width))

    def call(self, image: Tensor, context: Tensor, aligned: bool = False) -> Tensor:
        x = image if aligned else pad_to_multiple(image, GRID_FACTOR)
        pyramid = [x]
        while len(pyramid) < self.options.scales:
            pyramid.append(ops.average_pool(pyramid[-1], 2, strides=2))

        features = []
        halves = []
        coarser = None
        for branch, scaled in reversed(list(zip(self.branches, pyramid))):
            coarser, half = branch(scaled, coarser, context)
            features.append(coarser)
            halves += half

        x = (
            self.fuse(ops.concatenate(features, axis=-1))
            if len(features) > 1
            else self.fuse(features[0])
        )
        for block in self.blocks:
            x = block(x, context)
        x = ops.depth_to_space(self.up(x), 2)
        for half in halves:
            x = x + half
        for block in self.half_blocks:
            x = block(x, context)
        x = ops.depth_to_space(self.to_image(self.refine(x)), 2)
        return x if aligned else crop_like(x, image)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "options": self.options.to_dict()}


@keras.saving.register_keras_serializable(package="drgn_tf")
class DegradationGenerator(MultiResolutionFusionNetwork):
    """DeG: I_D = DeG(I_L), the degradation. It is signed: I_B = I_L - I_D."""


@keras.saving.register_keras_serializable(package="drgn_tf")
class RefinementGenerator(MultiResolutionFusionNetwork):
    """ReG: I* = ReG(I_B), the enhanced photo itself, without a skip connection."""
