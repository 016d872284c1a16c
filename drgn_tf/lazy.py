"""Lazy attributes of a package, imported at first access.

Only parts of `drgn_tf.data` and `drgn_tf.training` need TensorFlow. As their names are lazy,
the other parts work where TensorFlow is not installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a package's `__getattr__` (PEP 562).

    Args:
      package: its name.
      homes: the module inside the package that defines each name.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return get
