"""What a network costs: multiply-accumulates, and the values that its convolutions make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
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
    """Returns the convolutions of a forward pass, read off a symbolic call: nothing is computed.

    Args:
      model: takes [1, size, size, 3]; what its layers return holds no None.
      size: height and width of the image in pixels.
    """
    # A copy, as layers remember how they were called.
    copy = type(model).from_config(model.get_config())
    copy.build()
    return list(_called(copy, (_like(keras.KerasTensor((1, size, size, 3))),), {}))


def _called(layer: keras.Layer, args: Any, kwargs: Any) -> Iterator[Convolution]:
    """Yields the convolutions of a call, those of layers inside layers too."""
    outputs = layer.call(*args, **kwargs)
    graph = keras.Function(_tensors((args, kwargs)), _tensors(outputs))
    for operation in graph.operations:
        if not isinstance(operation, keras.Layer):
            continue
        for node in operation._inbound_nodes:
            if isinstance(operation, keras.layers.Conv2D):
                shapes = (node.outputs[0].shape, operation.kernel.shape)
                yield Convolution(*map(tuple, shapes))
            elif any(operation._flatten_layers(include_self=False)):
                given = (node.arguments.args, node.arguments.kwargs)
                yield from _called(operation, *keras.tree.map_structure(_like, given))


def _tensors(structure: Any) -> list[Any]:
    return [x for x in keras.tree.flatten(structure) if isinstance(x, keras.KerasTensor)]


def _like(value: Any) -> Any:
    """Returns an input of a graph that looks like a tensor; anything else as it is."""
    if isinstance(value, keras.KerasTensor):
        return keras.Input(batch_shape=value.shape, dtype=value.dtype)
    return value


def macs_per_pixel(model: keras.Model, size: int = 128) -> float:
    """Returns multiply-accumulates of all convolutions, per pixel of the input.

    What does not depend on the photo's size (the context) is spread over the pixels.

    Args:
      model: takes [1, size, size, 3].
      size: height and width of the image in pixels.
    """
    return sum(convolution.macs for convolution in convolutions(model, size)) / size**2
