"""Files that are written completely or not at all, and their names, hashes and errors."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Iterator

from drgn_tf.errors import UserError

# Of the hidden folders in which files are written before they are renamed.
PARTIAL = ".partial-"


class ModelFileError(UserError):
    """A file that is not a usable network. The message says why and what to do."""


@contextlib.contextmanager
def atomic_path(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a temporary path to write to, and renames it to `path` on success.

    The name has the ending of `path`, by which some writers choose the format. It lies in a
    new folder beside `path` that nobody else can write to or guess. What is written may also
    be a folder; it then must not exist at `path` yet. It is on the disk before it is renamed,
    and the new name is before this returns: a crash leaves the earlier file or the new one.

    Raises:
      UserError: the disk is full, or does not take the file.
    """
    path = pathlib.Path(path)
    try:
        with partial_folder(path.parent) as private:
            # No longer than the name of `path`, whatever its ending.
            beside = private / f"n{path.suffix}"
            yield beside
            move(beside, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); make room, check the "
            "permissions and give the same command again."
        ) from error


@contextlib.contextmanager
def partial_folder(parent: pathlib.Path, owner: str = "") -> Iterator[pathlib.Path]:
    """Makes a hidden folder that nobody else can write to or guess, and removes it in the end.

    Args:
      parent: in which it lies.
      owner: who makes it, where several write to `parent`.
    """
    private = pathlib.Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{owner}", dir=parent))
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)


def move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Renames a file, or a folder, that is on the disk before; the new name is there after."""
    _flush(source)
    os.replace(source, target)
    _flush_folder(target.parent)


def remove_partial(folder: pathlib.Path, owner: str = "") -> None:
    """Removes what a process that was killed inside `partial_folder` left in a folder.

    For folders to which only one process writes, or one of this owner: another one's unfinished
    files go as well.
    """
    for found in folder.glob(f"{PARTIAL}{glob.escape(owner)}*"):
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found, ignore_errors=True)


def ignores_case(folder: pathlib.Path) -> bool:
    """Returns whether two names that differ only in case are one file in a folder.

    Tried with a temporary folder; False where nothing can be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as made:
            return os.path.lexists(os.path.join(folder, os.path.basename(made).swapcase()))
    except OSError:
        return False


def _flush(path: pathlib.Path) -> None:
    """Waits until a file, or all of a folder, is on the disk."""
    for parent, _, names in os.walk(path):
        for name in names:
            _flush(pathlib.Path(parent, name))
        _flush_folder(pathlib.Path(parent))
    if stat.S_ISREG(os.stat(path).st_mode):
        # For writing: Windows flushes no others.
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _flush_folder(path: pathlib.Path) -> None:
    # Some file systems, and Windows, cannot flush folders.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def first_line(error: Exception) -> str:
    """Returns the message of an error, in one line without a full stop."""
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
