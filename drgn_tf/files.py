"""Files that appear whole or not at all, and what to say of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import shutil
from collections.abc import Iterator

from drgn_tf.errors import UserError


class ModelFileError(UserError):
    """A file that cannot be used as a network. The message says why and what to do."""


@contextlib.contextmanager
def atomic_path(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a name to write to, and renames it to `path` once that has succeeded.

    The name keeps the ending, by which some writers choose the format. What is
    written may also be a folder; it then must not exist at `path` yet.

    Raises:
      UserError: the disk is full, or does not take the file.
    """
    beside = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); make room, check the "
            "permissions and give the same command again."
        ) from error
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def first_line(error: Exception) -> str:
    """Returns what an error says, in one line without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file, or of all files in a folder and their names, in hex."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()
