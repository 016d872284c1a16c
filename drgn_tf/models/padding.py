"""Padding to the network's grid and back, for any image size from 1x1.

The last row and column are repeated. Reflection, the usual choice, needs an
image larger than the padding and therefore fails on tiny ones. At most three
pixels are added, so the difference is invisible.

Where sizes are unknown until the graph runs, padding does not compute with them: otherwise
TensorFlow Lite would know every later shape only while it runs, and could prepare nothing.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from drgn_tf.tensors import Tensor


def _repeat_last(x: Tensor, axis: int, multiple: int) -> Tensor:
    """Pads a known size to the next multiple, an unknown one by the most it could need."""
    size = ops.shape(x)[axis]
    missing = -size % multiple if isinstance(size, int) else multiple - 1
    if not missing:
        return x
    last = x[:, -1:] if axis == 1 else x[:, :, -1:]
    return ops.concatenate([x] + [last] * missing, axis=axis)


def pad_at_least(x: Tensor, multiple: int) -> Tensor:
    """Repeats the last row and column as `pad_to_multiple` does, or a few more times.

    Args:
      x: [B, H, W, C]; H and W may be unknown when the graph is built.
      multiple: in pixels.

    Returns:
      [B, H', W', C]: H' is the next multiple of a known H, else H + multiple - 1; likewise W'.
      Windows of `multiple` pixels with that stride and no padding see the same in both cases.
    """
    return _repeat_last(_repeat_last(x, 1, multiple), 2, multiple)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeats the last row and column until both sizes divide by `multiple`.

    Args:
      x: [B, H, W, C]; H and W may be unknown when the graph is built.
      multiple: in pixels.

    Returns:
      [B, H', W', C] with H <= H' < H + multiple, likewise W'.
    """
    known = all(isinstance(size, int) for size in ops.shape(x)[1:3])
    x = pad_at_least(x, multiple)
    if known or multiple == 1:
        return x
    # A convolution without padding drops incomplete blocks; depth_to_space restores the pixels.
    channels = x.shape[-1]
    values = multiple**2 * channels
    blocks = np.eye(values, dtype="float32").reshape(multiple, multiple, channels, values)
    x = ops.conv(x, ops.cast(blocks, x.dtype), strides=multiple, padding="valid")
    return ops.depth_to_space(x, multiple)


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Cuts `x` at the bottom and the right to the size of `reference`.

    Args:
      x: [B, H', W', C].
      reference: [B, H, W, *] with H <= H', W <= W'.

    Returns:
      [B, H, W, C].
    """
    sizes = tuple(reference.shape[1:3])
    if None not in sizes and sizes == tuple(x.shape[1:3]):
        return x
    height, width = ops.shape(reference)[1:3]
    return x[:, :height, :width]
