"""Trained weights that come with the code. A model card lies beside each file."""

from __future__ import annotations

import pathlib

_FOLDER = pathlib.Path(__file__).parent
# Where a program or a call does not say which.
DEFAULT = "mobile"


def names() -> list[str]:
    """Returns the names of the networks whose weights are shipped."""
    return sorted(file.stem for file in _FOLDER.glob("*.keras"))


def path(name: str) -> pathlib.Path:
    """Returns the file of a name in `names()`."""
    return _FOLDER / f"{name}.keras"
