"""Padding to the network's grid and back, for any image size from 1x1.

The last row and column are repeated. Reflection, the usual choice, needs an
image larger than the padding and therefore fails on tiny ones; at most three
pixels are ever added, so the two differ by nothing one could see. Slices and
concatenations are all it takes, which every runtime and GPU delegate has, also
with sizes that are unknown until the graph runs.
"""

from __future__ import annotations

from keras import ops


def _pad_axis(x, axis: int, multiple: int):
    size = ops.shape(x)[axis]
    if isinstance(size, int):
        missing = -size % multiple
        if not missing:
            return x
    else:
        missing = multiple - 1
    last = x[:, -1:] if axis == 1 else x[:, :, -1:]
    x = ops.concatenate([x] + [last] * missing, axis=axis)
    if isinstance(size, int):
        return x
    # The size is only known at run time: as much as could be needed was added.
    size = (size + multiple - 1) // multiple * multiple
    return x[:, :size] if axis == 1 else x[:, :, :size]


def pad_to_multiple(x, multiple: int):
    """Repeats the last row and column until both sizes divide by `multiple`.

    Args:
      x: [B, H, W, C]; H and W may be unknown when the graph is built.
      multiple: in pixels.

    Returns:
      [B, H', W', C] with H <= H' < H + multiple, likewise W'.
    """
    return _pad_axis(_pad_axis(x, 1, multiple), 2, multiple)


def crop_like(x, reference):
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
