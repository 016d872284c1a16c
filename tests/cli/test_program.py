"""What every command does alike: flags, help, one line for what goes wrong, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from drgn_tf.version import __version__

# A program whose argument says what goes wrong.
PROGRAM = '''
"""Does what it is told."""
import errno, sys
from absl import flags
from drgn_tf.cli import program
from drgn_tf.errors import UserError

flags.DEFINE_integer("steps", 1, "How many.")
flags.DEFINE_float("rate", 1, "How fast.", lower_bound=0, upper_bound=9)
flags.DEFINE_string("output_dir", None, "Where.", required=True)

class Interrupted(UserError):
    exit_code = 143

def main(argv):
    what = argv[1] if len(argv) > 1 else "nothing"
    if what == "user": raise UserError("a.jpg: is broken; replace it.")
    if what == "names": raise UserError("a\\nb\\x1b[2J\\u202e\\udcff.jpg: is broken; \u00e4.")
    if what == "signal": raise Interrupted("stopped at step 3.")
    if what == "interrupt": raise KeyboardInterrupt
    if what == "memory": raise MemoryError
    if what == "file": open("absent/file")
    if what == "extra": raise ModuleNotFoundError("No module named 'keras'", name="keras.layers")
    if what == "bug": raise ValueError("a bug")
    if what == "bugged import": raise ModuleNotFoundError("No module named 'x'", name="x")
    if what == "code": return 3
    if what == "complaints": print("x" * 10_000, file=sys.stderr, flush=True)
    if what == "number": return open(sys.executable).fileno()
    print("steps", flags.FLAGS.steps)
    if what == "printed": print("\\udcff \u00e4")
    if what == "much": print("x" * 1_000_000)

program.run(main, extra="train", arguments="ARGUMENTS" in sys.argv[1:2])
'''


TOLD = PROGRAM.replace('"ARGUMENTS" in sys.argv[1:2]', "True")


def run(*arguments: str, program: str = PROGRAM, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        text=True,
        timeout=60,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def told(what: str, **options) -> subprocess.CompletedProcess:
    """Runs the program with an argument."""
    return run("--output_dir=out", what, program=TOLD, **options)


@pytest.mark.parametrize(
    "what, code, line",
    [
        ("user", 1, "error: a.jpg: is broken; replace it."),
        ("names", 1, r"error: a\nb\x1b[2J\u202e\udcff.jpg: is broken; ä."),
        ("signal", 143, "stopped at step 3."),
        ("interrupt", 130, "interrupted."),
        ("memory", 1, "error: out of memory; close other programs, or give smaller work."),
        ("file", 1, "error: absent/file: No such file or directory."),
        ("extra", 1, "error: keras is not installed; pip install 'drgn-tf[train]' adds it."),
    ],
)
def test_what_goes_wrong_is_one_line(what, code, line):
    process = told(what)
    assert (process.returncode, process.stderr) == (code, line + "\n")
    assert process.stdout == ""


def test_bugs_keep_their_traceback():
    for what in ("bug", "bugged import"):
        process = told(what)
        assert process.returncode == 1 and "Traceback" in process.stderr


def test_exit_codes_of_programs_are_those_of_the_process():
    assert told("code").returncode == 3
    process = told("nothing")
    assert (process.returncode, process.stdout) == (0, "steps 1\n")


def test_leftovers_and_wrong_flags_are_one_line():
    for arguments, line in (
        (["--output_dir=a", "b", "c"], "unexpected arguments: b c; flags begin with --."),
        (["--output_dir=a", "--step=2"], "Unknown command line flag 'step'"),
        (["--output_dir=a", "--steps=x"], "flag --steps=x: invalid literal"),
        (["--output_dir=a", "--stderrthreshold=x"], "--stderrthreshold must be one of"),
        (["--output_dir=a", "--nologtostderr=3"], "--nologtostderr=3 does not take an argument"),
        (["--output_dir=a", "--rate=nan"], "--rate=nan: give a finite number."),
        ([], "Flag --output_dir must have a value other than None"),
        (["--output_dir=a", "--keep_by=ssim"], "--keep_by is now --monitor."),
        (["--output_dir=a", "--flagfile=absent"], "--flagfile=absent: no such file; those of the"),
    ):
        process = run(*arguments)
        assert process.returncode == 1
        assert process.stderr.startswith("error: ") and line in process.stderr
        assert process.stderr.count("\n") == 1


def test_version_and_help_leave_with_0():
    process = run("--version")
    assert (process.returncode, process.stdout) == (0, f"drgn-tf {__version__}\n")
    process = run("--help")
    assert process.returncode == 0
    assert "Does what it is told." in process.stdout and "--steps" in process.stdout


@pytest.mark.parametrize("encoding, shown", [("ascii", r"\xe4"), ("utf-8:strict", "ä")])
def test_names_can_be_printed_in_every_encoding(encoding, shown):
    process = told("printed", env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.splitlines()[1] == rf"\udcff {shown}"


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_no_other_file_takes_the_place_of_a_closed_one(closed):
    """What libraries print would be in it."""
    process = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", TOLD, "--output_dir=out",
         "number"],
        timeout=60, check=False,
    )  # fmt: skip
    assert process.returncode >= 3


def test_complaints_that_nobody_takes_do_not_stop_the_work():
    with open("/dev/full", "w") as full:
        process = told("complaints", stdout=subprocess.PIPE, stderr=full)
    assert (process.returncode, process.stdout) == (0, "steps 1\n")
    process = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", TOLD, "--output_dir=out",
         "complaints"],
        stdout=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stdout) == (0, "steps 1\n")


def test_output_that_nobody_takes_is_one_line():
    with open("/dev/full", "w") as full:
        process = told("nothing", stdout=full)
    assert process.returncode == 1
    assert process.stderr == "error: standard output: No space left on device.\n"
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    process = told("much", stdout=reader.stdin)
    assert (process.returncode, process.stderr) == (1, "error: standard output: Broken pipe.\n")
