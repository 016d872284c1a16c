"""Files that are written completely or not at all, and their names, hashes and errors."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import pathlib
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator

from drgn_tf.errors import UserError

# On Windows nothing tells whether a process still writes to a folder.
if sys.platform != "win32":
    import fcntl

# Of the hidden folders in which files are written before they are renamed; the name of the machine
# follows, because locks on some shared disks only work within one machine.
PARTIAL = ".partial-"
_LONGEST_TEXT = 2**24
# Of linux/fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# What file systems answer that cannot flush folders, ...
_NOT_FLUSHED = (errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP)
# ... and those that cannot exchange two names.
_NOT_EXCHANGED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


class ModelFileError(UserError):
    """A file that is not a usable network. The message says why and what to do."""


@contextlib.contextmanager
def atomic_path(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a temporary path to write to, and renames it to `path` on success.

    The name has the ending of `path`, by which some writers choose the format. It lies in a
    new folder beside `path` that nobody else can write to or guess. What is written may also
    be a folder. It is on the disk before it is renamed, and the new name is before this returns: a
    crash leaves the earlier file or the new one.

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
def partial_folder(parent: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes a hidden folder that nobody else can write to or guess, and removes it in the end.

    Until then `remove_partial` of other processes leaves it alone.
    """
    while True:
        name = tempfile.mkdtemp(prefix=f"{PARTIAL}{platform.node()}-", dir=parent)
        private = pathlib.Path(name)
        with _lock(private) as locked:
            # Another process may have found it before it was locked.
            if not locked or not private.exists():
                continue
            try:
                yield private
            finally:
                shutil.rmtree(private, ignore_errors=True)
            return


def remove_partial(folder: pathlib.Path, alone: bool = False, all_machines: bool = False) -> None:
    """Removes what processes that were killed inside `partial_folder` left in a folder.

    Args:
      folder: to which they wrote.
      alone: whether no other process of this machine writes there now. Otherwise nothing is removed
        where the file system has no locks.
      all_machines: whether no other machine writes there either; what they left goes as well.
    """
    mine = PARTIAL if all_machines else f"{PARTIAL}{platform.node()}-"
    # A folder that cannot be listed holds nothing of this user.
    with contextlib.suppress(OSError):
        for found in os.scandir(folder):
            if not found.name.startswith(mine) or not found.is_dir(follow_symlinks=False):
                continue
            with _lock(pathlib.Path(found), needed=not alone) as locked:
                if locked:
                    shutil.rmtree(found, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: pathlib.Path, needed: bool = False) -> Iterator[bool]:
    """Locks a folder, and tells whether no other process has; unlocks it in the end.

    Where the system or the file system has no locks, it tells whether none is needed.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    except OSError:
        # Windows opens no folders.
        yield not needed
        return
    try:
        locked = not needed
        if sys.platform != "win32":
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except BlockingIOError:
                locked = False
            except OSError:
                pass
        yield locked
    finally:
        os.close(descriptor)


def move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Renames a file, or a folder, that is on the disk before; the new name is there after.

    A folder takes the place of an earlier one, which has the name of the new one then.
    """
    _flush(source)
    if source.is_dir() and target.is_dir() and not target.is_symlink():
        _exchange(source, target)
    else:
        os.replace(source, target)
    _flush_folder(target.parent)


def _exchange(source: pathlib.Path, target: pathlib.Path) -> None:
    """Exchanges the names of two folders: at once, where the system can do so."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        code = errno.ENOSYS
    else:
        names = [os.fsencode(path) for path in (source, target)]
        if not rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
            return
        code = ctypes.get_errno()
    if code not in _NOT_EXCHANGED:
        raise OSError(code, os.strerror(code), str(target))
    # Not in the folder of `source`, which the next start removes if this process is killed here.
    aside = target.with_name(f"{target.name}.replaced")
    os.rename(target, aside)
    try:
        os.rename(source, target)
    except OSError:
        os.rename(aside, target)
        raise
    os.rename(aside, source)


def make_folder(path: pathlib.Path) -> None:
    """Makes a folder, and those above it, whose names are on the disk when this returns.

    Raises:
      OSError: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        _flush_folder(folder.parent)


def ignores_case(folder: pathlib.Path) -> bool:
    """Returns whether two names that differ only in case are one file in a folder.

    Tried with a temporary folder; False where nothing can be written.
    """
    try:
        with partial_folder(folder) as made:
            return os.path.lexists(os.path.join(folder, made.name.swapcase()))
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
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FLUSHED:
            raise


def open_lock(path: str, flags: int) -> int:
    """Opens a file that is only locked, as the `opener` of `open` in mode "a".

    Neither through a link that somebody planted, nor waiting at a pipe.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags, 0o666)


def read_text(path: str | pathlib.Path) -> str:
    """Returns the UTF-8 text of a file of at most 16 MiB.

    Raises:
      OSError: it cannot be read, is larger, or is a device or a pipe, which may never end.
      UnicodeDecodeError: it is no text.
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        if status.st_size > _LONGEST_TEXT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read(_LONGEST_TEXT).decode("utf-8-sig")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


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
