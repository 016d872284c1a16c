"""JSON files in which people describe a model of somebody else's: reading and checking them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from drgn_tf.errors import UserError
from drgn_tf.files import first_line, read_text

# A check of a value, and what it asks for in words.
Form = tuple[Callable[[Any], object], str]


def read_object(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Returns the object in a JSON file.

    Args:
      path: of the file.
      what: it should be, in words.

    Raises:
      UserError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(read_text(os.fspath(path)))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read as {what} in JSON ({first_line(error)})."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: {what} is an object in braces.")
    return content


def check(
    content: Mapping[str, Any], forms: Mapping[str, Form], path: str | os.PathLike[str]
) -> None:
    """Raises UserError if an entry is unknown, or not in its form."""
    unknown = sorted(content.keys() - forms.keys())
    if unknown:
        raise UserError(f'{path}: unknown entry "{unknown[0]:.60}"; there are {", ".join(forms)}.')
    for name, value in content.items():
        fits, form = forms[name]
        if not fits(value):
            raise UserError(f'{path}: "{name}" must be {form}.')


def one_of(*choices: str) -> Form:
    """Returns the form of one of several words."""
    return lambda value: value in choices, f"one of {', '.join(choices)}"


def is_number(value: object, lowest: float, highest: float, *kinds: type) -> bool:
    """Tells whether a value is a number in a range, by default an integer or a float."""
    # Not isinstance: True is an int. NaN is in no range.
    return type(value) in (kinds or (int, float)) and lowest <= value <= highest  # type: ignore[operator]


def is_pair(value: object, lowest: float, highest: float, *kinds: type) -> bool:
    """Tells whether a value is a list of two numbers in a range."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(is_number(entry, lowest, highest, *kinds) for entry in value)
    )


# Of a model's input, in pixels.
LARGEST_SIDE = 8192
SIZE: Form = (
    lambda value: is_pair(value, 1, LARGEST_SIDE, int),
    f"[height, width], each from 1 to {LARGEST_SIDE}",
)
