"""The one error that people see as a line of text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class UserError(Exception):
    """Something a person can mend: the message says what is wrong and what to do.

    Raised where it happens, and caught in one place, which prints "error: <message>" and
    leaves with `exit_code`. A subclass exists only where code has to tell it from others.

    Attributes:
      exit_code: of a program that ends with it.
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
