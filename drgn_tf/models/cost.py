"""What a network costs: multiply-accumulates, and the values that its convolutions make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One convolution of a forward pass.

    Attributes:
      output_shape: (batch, height, width, channels).
      kernel_shape: (height, width, channels in, channels out).
    """

    output_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]

    @property
    def values(self) -> int:
        """What it makes, an image."""
        return math.prod(self.output_shape[1:])

    @property
    def macs(self) -> int:
        """Multiply-accumulates, an image."""
        return self.values * math.prod(self.kernel_shape[:3])


def convolutions(model: keras.Model, size: int) -> list[Convolution]:
    """Returns the convolutions of a forward pass, in their order; only shapes are computed.

    Args:
      model: takes [1, size, size, 3].
      size: height and width of the image in pixels.
    """
    found: list[Convolution] = []
    if not model.built:
        model.build()
    layers = [x for x in model._flatten_layers() if isinstance(x, keras.layers.Conv2D)]
    try:
        for layer in layers:
            layer.call = _noting(layer, found)
        model.compute_output_spec(keras.KerasTensor((1, size, size, 3)))
    finally:
        for layer in layers:
            # Back to that of its class.
            vars(layer).pop("call", None)
    return found


def _noting(layer: keras.layers.Conv2D, found: list[Convolution]) -> Callable[[Any], Any]:
    """Returns what the layer computes, which adds to `found` whenever it is called."""
    call = layer.call

    def noted(inputs: Any) -> Any:
        outputs = call(inputs)
        found.append(Convolution(tuple(outputs.shape), tuple(layer.kernel.shape)))
        return outputs

    return noted


def macs_per_pixel(model: keras.Model, size: int = 128) -> float:
    """Returns multiply-accumulates of all convolutions, per pixel of the input.

    What does not depend on the photo's size (the context) is spread over the pixels.

    Args:
      model: takes [1, size, size, 3].
      size: height and width of the image in pixels.
    """
    return sum(convolution.macs for convolution in convolutions(model, size)) / size**2
