"""Tries a file that a native runtime opens in a process of its own first.

Runtimes refuse most damaged files, but some crash them, never end or take all memory. In a
process of its own that is one line instead of the end of the program.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from drgn_tf import memory
from drgn_tf.errors import UserError
from drgn_tf.files import ModelFileError, first_line

# Height and width of what a network of any size is tried on.
_SIDE = 16
# Seconds: as long as a large network of a fixed size takes on a slow machine, and no file longer.
_LONGEST = 120
# Memory that any file may need, and that each of its bytes may need beyond: a small one with huge
# shapes would take all there is.
_MEMORY_OF_ANY_FILE = 2**32
_MEMORY_OF_A_BYTE = 4000
# Exit code of a process that has printed what is wrong.
_SAID = 3
# Modules are found where this process finds them.
_PROGRAM = (
    "import json, sys; path, sys.path[:], module, arguments = map(json.loads, sys.argv[1:]); "
    "from drgn_tf.inference import trial; sys.exit(trial.main(path, module, arguments))"
)


def try_in_process(path: pathlib.Path, module: str = __name__, *arguments: Any) -> None:
    """Opens a file in a process of its own, and runs it on one small image.

    This takes the start of Python, NumPy and the runtime once more (0.2 to 0.4 s of a core), the
    opening and one run. Where programs have no interpreter, frozen ones, nothing is tried.

    Args:
      path: a .tflite, .onnx or .ort file.
      module: has a function `try_here`, which opens and runs it.
      *arguments: of that function behind the path, as JSON has them.

    Raises:
      ModelFileError: it cannot be opened or run, crashes its runtime, takes all memory or does
        not end.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        return
    try:
        process = subprocess.run(
            [
                sys.executable,
                "-c",
                _PROGRAM,
                *map(json.dumps, (str(path), [*map(str, sys.path)], module, arguments)),
            ],
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


def main(name: str, module: str, arguments: Sequence[Any]) -> int:
    """Tries a file in this process; prints what is wrong with it and returns the exit code."""
    _limit_memory(pathlib.Path(name))
    try:
        _try(pathlib.Path(name), module, arguments)
    except ModuleNotFoundError:
        # The other process says so better.
        return 0
    except UserError as error:
        print(error)
        return _SAID
    return 0


def _try(path: pathlib.Path, module: str, arguments: Sequence[Any]) -> None:
    try:
        importlib.import_module(module).try_here(path, *arguments)
    except (UserError, ModuleNotFoundError):
        raise
    except MemoryError as error:
        raise ModelFileError(
            f"{path}: needs more memory than is free, or than a file of its size may; give a "
            "smaller network."
        ) from error
    # Whatever runtimes raise.
    except Exception as error:
        raise ModelFileError(
            f"{path}: cannot be run ({first_line(error)}); export it again."
        ) from error


def try_here(path: pathlib.Path) -> None:
    """Opens a network in this process and runs it; raises any error, or crashes."""
    from drgn_tf.inference.loading import load_driver

    driver = load_driver(path, threads=1, trusted=True)
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


def _limit_memory(path: pathlib.Path) -> None:
    try:
        import resource
    except ImportError:  # Windows.
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [max(_MEMORY_OF_ANY_FILE, _MEMORY_OF_A_BYTE * path.stat().st_size)]
    limits += [limit for limit in (memory.available(),) if limit is not None]
    limits += [most] if most >= 0 else []
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), most))
