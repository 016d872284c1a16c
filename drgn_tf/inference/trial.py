"""Tries a file that a native runtime opens in a process of its own first.

Runtimes refuse most damaged files, but some crash them, never end or take all memory. In a
process of its own that is one line instead of the end of the program.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import numpy as np

from drgn_tf import memory
from drgn_tf.errors import UserError
from drgn_tf.files import ModelFileError, first_line
from drgn_tf.inference.driver import Driver

# Height and width of what a network of any size is tried on.
_SIDE = 16
# Seconds: as long as a large network of a fixed size takes on a slow machine, and no file longer.
_LONGEST = 120
# Exit code of a process that has printed what is wrong.
_SAID = 3
# Modules are found where this process finds them.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from drgn_tf.inference import trial; sys.exit(trial.main(sys.argv[1]))"
)


def try_in_process(path: pathlib.Path) -> None:
    """Opens a file in a process of its own, and runs it on one small image.

    This takes the start of Python, NumPy and the runtime once more (0.2 to 0.4 s of a core), the
    opening and one run. Where programs have no interpreter, frozen ones, nothing is tried.

    Args:
      path: a .tflite, .onnx or .ort file.

    Raises:
      ModelFileError: it cannot be opened or run, crashes its runtime, takes all memory or does
        not end.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        return
    try:
        process = subprocess.run(
            [sys.executable, "-c", _PROGRAM, path, json.dumps(list(map(str, sys.path)))],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(
            f"{path}: took more than {_LONGEST} s for a small photo; export it again."
        ) from error
    if process.returncode == _SAID:
        raise ModelFileError(process.stdout.strip())
    if process.returncode:
        lines = process.stderr.strip().splitlines()
        reason = (
            f"signal {-process.returncode}" if process.returncode < 0 or not lines else lines[-1]
        )
        raise ModelFileError(
            f"{path}: makes its runtime crash ({reason}); it is damaged or malicious: export it "
            "again."
        )


def main(name: str) -> int:
    """Tries a file in this process; prints what is wrong with it and returns the exit code."""
    _limit_memory()
    try:
        _try_here(pathlib.Path(name))
    except ModuleNotFoundError:
        # The other process says so better.
        return 0
    except UserError as error:
        print(error)
        return _SAID
    return 0


def _try_here(path: pathlib.Path) -> None:
    from drgn_tf.inference.loading import load_driver

    try:
        _run(load_driver(path, threads=1, trusted=True))
    except (UserError, ModuleNotFoundError):
        raise
    except MemoryError as error:
        raise ModelFileError(
            f"{path}: needs more memory than is free; give a smaller network."
        ) from error
    # Whatever runtimes raise.
    except Exception as error:
        raise ModelFileError(
            f"{path}: cannot be run ({first_line(error)}); export it again."
        ) from error


def _run(driver: Driver) -> None:
    height, width = driver.size or (_SIDE, _SIDE)
    image = np.zeros((1, height, width, 3), np.float32)
    side = driver.thumbnail_size
    thumbnail = None if side is None else np.zeros((1, side, side, 3), np.float32)
    shape = driver.run(image, thumbnail)["enhanced"].shape
    if shape != image.shape:
        raise ModelFileError(
            f"{driver.path}: gives {list(shape)} for {list(image.shape)}; give a file that "
            "drgn-export made."
        )


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows.
        return
    free = memory.available()
    if free is not None:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (free if most < 0 else min(free, most), most))
