"""Runs a program: flags, flagfiles, errors and exit codes, the same for every command.

Each error becomes one line on standard error, "error: " and what to do:

    UserError               its message and its exit code
    OSError                 the file and the system's message
    ModuleNotFoundError     the extra to install, if the module is of one
    MemoryError             out of memory
    KeyboardInterrupt       exit code 130

Anything else is a bug, and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn, TextIO

# Set before TensorFlow is imported, to suppress its start-up messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags, logging

from drgn_tf.errors import UserError
from drgn_tf.flags import flagfiles
from drgn_tf.flags.renamed import RENAMED
from drgn_tf.version import __version__

# The modules that each extra of the package installs.
_EXTRAS = {
    "keras": ("keras", "tensorflow"),
    "train": ("keras", "tensorflow", "tensorboard", "matplotlib", "skimage"),
    "jax": ("jax", "keras", "matplotlib", "skimage"),
    "export": ("keras", "tensorflow", "flatbuffers", "onnx", "tf2onnx", "matplotlib", "skimage"),
    "onnx": ("onnxruntime",),
    "eval": ("scipy", "pycocotools", "skimage", "flip_evaluator"),
}

# Control characters, ends of lines, directions of writing, and bytes of names that are no UTF-8.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def run(
    main: Callable[[list[str]], int | None],
    *,
    flag_modules: Sequence[str | ModuleType] = (),
    extra: str = "",
    arguments: bool = False,
    interrupted: str = "interrupted.",
) -> NoReturn:
    """Runs a program and ends the process with its exit code.

    Args:
      main: called with the program's name and its arguments other than flags; returns the exit
        code, None for 0.
      flag_modules: modules, or their names, whose flags --help shows. Named ones are imported
        here, so that a missing package becomes one line.
      extra: of the package, needed by the whole program.
      arguments: whether the program takes other arguments than flags.
      interrupted: message after Ctrl-C.
    """
    _open_standard_files()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may have what the terminal's encoding has not, as standard error does.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(_exit_code(lambda: _start(main, flag_modules, arguments), extra, interrupted))


def _open_standard_files() -> None:
    """Opens what the caller has closed of the standard files, for nothing.

    Otherwise the next file that is opened takes the place, and libraries print into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            # For as long as the process.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _start(
    main: Callable[[list[str]], int | None],
    flag_modules: Sequence[str | ModuleType],
    arguments: bool,
) -> None:
    if "--version" in sys.argv[1:]:
        print(f"drgn-tf {__version__}")
        return
    for module in flag_modules:
        if isinstance(module, str):
            module = importlib.import_module(module)
        for flag in flags.FLAGS.get_key_flags_for_module(module):
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    # absl's --help prints this first.
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__

    def checked(argv: list[str]) -> int | None:
        if len(argv) > 1 and not arguments:
            raise UserError(f"unexpected arguments: {' '.join(argv[1:])}; flags begin with --.")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        return main(argv)

    app.run(checked, flags_parser=parse_flags)


def parse_flags(argv: list[str]) -> list[str]:
    """Parses flags, including those of flagfiles; returns the other arguments.

    Raises:
      UserError: a flag is unknown or has no such value, or a flagfile cannot be read.
    """
    try:
        rest = flags.FLAGS([argv[0], *flagfiles.expand(argv[1:])])
    except flags.UnrecognizedFlagError as error:
        if error.flagname in RENAMED:
            raise UserError(f"--{error.flagname} {RENAMED[error.flagname]}") from error
        raise UserError(f"{error} --help lists all flags.") from error
    except (flags.Error, ValueError) as error:
        # Some of absl's own flags raise the latter.
        raise UserError("; ".join(str(error).splitlines())) from error
    except SystemExit:
        # After --help, which absl treats as a failure.
        sys.exit(0)
    for name in flags.FLAGS:
        value = flags.FLAGS[name].value
        # NaN is within all bounds of absl's.
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: give a finite number.")
    return rest


def _exit_code(action: Callable[[], None], extra: str, interrupted: str) -> int | str:
    """Runs a function, reports its error if it fails, and returns the exit code."""
    try:
        output, errors = _StandardOutput(sys.stdout), _StandardError(sys.stderr)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                action()
                return 0
            except SystemExit as leaving:
                return leaving.code or 0
            finally:
                # Flushed here, while errors can still be reported.
                print(end="", flush=True)
    except KeyboardInterrupt:
        return _say(interrupted, 130)
    except UserError as error:
        # From 128 on, a signal ended the program, which is not an error.
        prefix = "" if error.exit_code >= 128 else "error: "
        return _say(f"{prefix}{error}", error.exit_code)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        found = [name for name in (extra, *_EXTRAS) if module in _EXTRAS.get(name, ())]
        if not found:
            raise
        return _say(
            f"error: {module} is not installed; pip install 'drgn-tf[{found[0]}]' adds it.", 1
        )
    except MemoryError:
        return _say("error: out of memory; close other programs, or give smaller work.", 1)
    except OSError as error:
        if error.errno is None:
            raise
        return _say(f"error: {describe(error)}", 1)


def describe(error: OSError) -> str:
    """Returns the file, and what the system says of it."""
    named = isinstance(error.filename, (str, bytes, os.PathLike))
    where = f"{os.fsdecode(error.filename)}: " if named else ""
    return f"{where}{error.strerror or error}."


def error_line(message: object) -> str:
    r"""Returns "error: " and a message, in one line whatever is in the names of its files.

    Characters that end lines, control terminals or turn the direction of writing are shown as
    escapes: "a\nb.jpg".
    """
    return f"error: {_escaped(str(message))}"


def _escaped(line: str) -> str:
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), line)


class _StandardOutput:
    """An error of standard output, which is full or closed by its reader."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._told():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._told():
            self._stream.flush()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is still in its buffer would be complained of once more at the very end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise UserError(f"standard output: {error.strerror}.") from error


class _StandardError(_StandardOutput):
    """Standard error; what nobody takes of it is lost, and the work goes on."""

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        with contextlib.suppress(UserError), super()._told():
            yield


def _say(line: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(_escaped(line), file=sys.stderr, flush=True)
    return code
