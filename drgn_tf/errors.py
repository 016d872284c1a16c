"""The base class of errors that users see as one line of text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class UserError(Exception):
    """An error that the user can correct: the message says what is wrong and what to do.

    It is raised where it occurs and caught in one place, which prints "error: <message>" and
    exits with `exit_code`. A subclass exists only where code must distinguish it.

    Attributes:
      exit_code: exit code of the program.
    """

    exit_code = 1


class BadImageError(UserError):
    """One photo or video that cannot be used; the others could be."""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turns ValueError into UserError: around options made of what a person gave.

    Libraries raise ValueError for arguments that make no sense; where these come from flags, the
    person who gave them is told.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error
