"""Serialises the flags of a program, so that its run can be repeated."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from absl import flags


def flagfile(modules: Iterable[ModuleType]) -> str:
    """Returns the effective flags that these modules define, as text for --flagfile."""
    by_module = flags.FLAGS.flags_by_module_dict()
    lines = [
        flag.serialize()
        for module in modules
        for flag in by_module[module.__name__]
        if flag.value is not None
    ]
    return "\n".join(lines) + "\n"
