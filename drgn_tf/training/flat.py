"""All weights of a network as one vector, for the optimizer and the averages.

The networks have some 150 weights, most of them small: updated one by one they take thousands of
operations a step, which are slow to trace and cost more than their arithmetic. The elements are
the same, so are the results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from drgn_tf.tensors import Tensor


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Returns the elements of all tensors as one vector [N]."""
    return ops.concatenate([ops.reshape(x, (-1,)) for x in tensors])


def parted(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Returns what `joined` joined.

    Args:
      vector: [N].
      like: tensors or variables of the shapes of the parts.
    """
    shapes = [tuple(x.shape) for x in like]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts = ops.split(vector, ends.tolist())
    return [ops.reshape(part, shape) for part, shape in zip(parts, shapes)]


def vector_of(variables: Sequence[keras.Variable]) -> keras.Variable:
    """Returns a new variable [N] that holds the elements of others."""
    return keras.Variable(joined([v.value for v in variables]), name="weights")
