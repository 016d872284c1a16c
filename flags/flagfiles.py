"""Files of flags: those that come with the package are found by name from any folder.

    --flagfile=lol_v1                 a flagfile of the package
    --flagfile=flags/lol_v1.flags     the same
    --flagfile=runs/mine/run.flags    a file

A file that exists goes first. In a flagfile each line is a flag, or starts with # or //, or names
another flagfile, whose flags take its place.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from drgn_tf.errors import UserError
from drgn_tf.files import first_line, read_text

_FOLDER = pathlib.Path(__file__).parent
# Of all flagfiles of a command together: files that name others twice, and so on, never end.
_MOST_LINES = 10_000
# Flagfiles inside each other.
_DEEPEST = 50


def names() -> list[str]:
    """Returns the names of the flagfiles that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.flags"))


def resolve(name: str) -> str:
    """Returns the path of a file, or else of one of the package with that name.

    Args:
      name: a path, or the name of a file of the package, with or without "flags/" before it and
        ".flags" behind. What is neither is returned as it is.
    """
    try:
        path = pathlib.Path(name).expanduser()
    except RuntimeError:
        # Of nobody known here.
        path = pathlib.Path(name)
    if path.exists() and not path.is_dir():
        return str(path)
    if str(path.parent) in (".", "flags"):
        for packaged in (_FOLDER / path.name, _FOLDER / f"{path.name}.flags"):
            if packaged.suffix in (".flags", ".txt") and packaged.is_file():
                return str(packaged)
    return str(path)


def expand(arguments: Sequence[str]) -> list[str]:
    """Returns a program's arguments with the flags of flagfiles in the places of --flagfile.

    Raises:
      UserError: a flagfile does not exist, cannot be read, or names itself.
    """
    expanded: list[str] = []
    rest = list(arguments)
    reader = _Reader()
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if name in ("--flagfile", "-flagfile"):
            if not equals:
                if not rest:
                    raise UserError("--flagfile needs a file or a name.")
                value = rest.pop(0)
            expanded += reader.read(value)
        elif argument == "--":
            return [*expanded, argument, *rest]
        else:
            expanded.append(argument)
    return expanded


def _lines(path: str) -> list[str]:
    try:
        text = read_text(path)
        if "\0" in text:
            raise ValueError("holds a NUL")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: is no flagfile ({first_line(error)}); give a text file of flags."
        ) from error
    return text.splitlines()


class _Reader:
    """Reads flagfiles, of which all together have so many lines."""

    def __init__(self) -> None:
        self._lines_left = _MOST_LINES

    def read(self, name: str, including: tuple[str, ...] = ()) -> list[str]:
        """Returns the flags of a flagfile, and of those that it names.

        Args:
          name: as it is given.
          including: paths of the flagfiles in which it is named.
        """
        path = resolve(name)
        if not os.path.exists(path):
            raise UserError(
                f"--flagfile={name}: no such file; those of the package are {', '.join(names())}."
            )
        if path in including:
            raise UserError(f"{path}: this flagfile names itself.")
        if len(including) == _DEEPEST:
            raise UserError(f"{path}: is named inside {_DEEPEST} other flagfiles; join some.")
        flags: list[str] = []
        for line in map(str.strip, _lines(path)):
            self._lines_left -= 1
            if self._lines_left < 0:
                raise UserError(
                    f"{path}: makes more than {_MOST_LINES} lines of flags; give fewer flagfiles."
                )
            flag, _, value = line.partition("=")
            if flag in ("--flagfile", "-flagfile"):
                flags += self.read(value, (*including, path))
            elif line and not line.startswith(("#", "//")):
                flags.append(line)
        return flags
