"""Makes the n-th call that changes a folder fail, or kills the process there.

Calls are those of Python: files opened for writing, their writes and closing, flushes, renames, new
folders, and removals. What libraries in C write is met by a limit on the size of files instead.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import pathlib
import resource
import signal
import sys

_REMOVALS = ("unlink", "rmdir")
# Code that runs a program of tests.programs with faults, given as JSON before its command line.
PROGRAM = """
import json, runpy, sys
from tests.kills import faults

faults.install(**json.loads(sys.argv.pop(1)))
sys.argv.pop(0)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def install(
    below: str,
    at: int = 0,
    error: str = "",
    lasting: bool = False,
    removals: bool = False,
    counted: str = "",
    limit: int = 0,
) -> None:
    """Puts faults into this process.

    Args:
      below: folder whose calls count.
      at: number of the call that meets the fault, from 1; 0 for none.
      error: name of an error number, such as "ENOSPC"; by default the process is killed.
      lasting: whether all calls after it fail too.
      removals: whether removing something counts, which works on a full disk.
      counted: file outside of that folder that gets the number of calls so far, and that without
        removals.
      limit: of the size of files in bytes; 0 for none.
    """
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    faults = _Faults(os.path.abspath(below), at, error, lasting, removals, counted)
    os_open = os.open

    def opened(path, flags, *rest, **keywords):
        if flags & (os.O_WRONLY | os.O_RDWR):
            faults.meet("open", path)
        return os_open(path, flags, *rest, **keywords)

    os.open = opened
    for name in ("replace", "rename", "mkdir", *_REMOVALS):
        setattr(os, name, faults.counting(name, getattr(os, name)))
    fsync = os.fsync

    def flushed(descriptor):
        faults.meet("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    os.fsync = flushed
    builtins.open = io.open = faults.file_opener(io.open)
    from drgn_tf import files

    files._exchange = faults.counting("exchange", files._exchange)


class _Faults:
    def __init__(
        self, below: str, at: int, error: str, lasting: bool, removals: bool, counted: str
    ):
        self._below = f"{below}{os.sep}"
        self._at = at
        self._error = getattr(errno, error) if error else 0
        self._lasting = lasting
        self._removals = removals
        self._counted = counted
        self._all = self._count = 0

    def meet(self, call: str, path: object) -> None:
        """Counts a call; fails, or ends the process, if its turn has come."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        name = os.path.join(os.getcwd(), os.fsdecode(path))
        if not f"{name}{os.sep}".startswith(self._below):
            return
        self._all += 1
        counts = self._removals or call not in _REMOVALS
        self._count += counts
        if self._counted:
            pathlib.Path(self._counted).write_text(f"{self._all} {self._count}")
        if not counts:
            return
        if self._at and (self._count == self._at or (self._lasting and self._count > self._at)):
            if not self._error:
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(self._error, os.strerror(self._error), os.fsdecode(path))

    def counting(self, name, call):
        """Returns a call of the system that is counted by its first argument."""

        def counted(path, *rest, **keywords):
            self.meet(name, path)
            return call(path, *rest, **keywords)

        return counted

    def file_opener(self, real):
        """Returns an `open` whose files are counted."""

        def opened(
            file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
            opener=None,
        ):  # fmt: skip
            if not set(mode) & set("wax+") or isinstance(file, int):
                return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
            self.meet("open", file)
            raw = _File(file, mode.replace("b", "").replace("t", ""), opener=opener)
            raw.faults = self
            if buffering == 0:
                return raw
            buffer = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
            return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline)

        return opened


class _File(io.FileIO):
    faults: _Faults

    def write(self, data):
        self.faults.meet("write", self.name)
        return super().write(data)

    def close(self):
        met = self.closed
        try:
            if not met:
                self.faults.meet("close", self.name)
        finally:
            super().close()
