"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def _record_convolutions(calls: list[int]) -> Iterator[None]:
    """Appends the multiply-accumulates of each convolution that runs inside."""
    original = keras.layers.Conv2D.call

    def call(layer, inputs):
        outputs = original(layer, inputs)
        calls.append(math.prod(outputs.shape[1:]) * math.prod(layer.kernel.shape[:3]))
        return outputs

    keras.layers.Conv2D.call = call
    try:
        yield
    finally:
        keras.layers.Conv2D.call = original


def macs_per_pixel(model: keras.Model, size: int = 128) -> float:
    """Returns multiply-accumulates of all convolutions, per pixel of the input.

    The model runs once on zeros and its convolutions are counted as they happen.
    What does not depend on the photo's size (the context) is spread over the pixels.

    Args:
      model: takes [1, size, size, 3].
      size: height and width of the trial image in pixels.
    """
    calls: list[int] = []
    with _record_convolutions(calls):
        model(keras.ops.zeros((1, size, size, 3)))
    return sum(calls) / size**2
