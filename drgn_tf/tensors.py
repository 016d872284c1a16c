"""Names for tensors and shapes in signatures; docstrings say what is in them."""

from __future__ import annotations

from typing import Any, TypeAlias

# Of whichever framework computes: TensorFlow and Keras have no types that checkers know.
Tensor: TypeAlias = Any
# Sizes are integers, or None where they are not known yet.
Shape: TypeAlias = tuple[Any, ...]
