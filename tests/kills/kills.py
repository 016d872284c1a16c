"""Disturbs programs at many moments, and looks whether anything was lost.

Kinds of disturbance:

    time     SIGKILL after a random time
    call     SIGKILL before a call that changes the output folder
    error    such a call fails, once or from then on, as disks that are full, broken, over quota
             or read-only do
    limit    files cannot be larger than a random size
    full     the output folder is a small file system of its own that fills up, where that may be
             mounted
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
import pathlib
import random
import shutil
import signal
import subprocess
import time

from tests.kills import faults
from tests.kills.cases import Case, Lost, files_in, make_assets, sha256
from tests.programs import Program, Programs

KINDS = ("time", "call", "error", "limit", "full")
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS")
# Kills of one training run before it may finish.
_KILLS_OF_A_RUN = 4
# Bytes that programs may print; the limit is one of that too.
_LEAST_BYTES = 4096
# Seconds after which a program counts as hanging.
_LONGEST = 900


@dataclasses.dataclass(frozen=True)
class Moment:
    """A disturbance.

    Attributes:
      case: name of the program's case.
      kind: of `KINDS`.
      place: seconds, the number of a call, or bytes.
      error: of "error"; "+" behind means that all later calls fail too.
    """

    case: str
    kind: str
    place: float
    error: str = ""


class Kills:
    """Disturbs programs.

    Args:
      folder: for everything.
      cases: classes of `Case`.
    """

    def __init__(self, folder: pathlib.Path, cases: tuple[type[Case], ...]):
        self._folder = folder
        self._numbers = itertools.count()
        assets = folder / "assets"
        assets.mkdir(parents=True)
        make_assets(assets, networks=any(case.networks for case in cases))
        self._inputs = _sums(assets)
        self._started: dict[str, Programs] = {}
        self.cases = {case.name: case(assets) for case in cases}
        self._calls: dict[tuple[str, bool], int] = {}
        self._seconds: dict[str, float] = {}
        self._earlier: dict[str, pathlib.Path] = {}
        self._largest: dict[str, int] = {}
        for case in self.cases.values():
            self._run_undisturbed(case)

    def close(self) -> None:
        """Ends all programs."""
        for programs in self._started.values():
            programs.close()

    def _run_undisturbed(self, case: Case) -> None:
        if case.replaces:
            earlier = self._new(case)
            program = self._start(case, earlier, case.earlier_arguments(earlier))
            self._finish(program, earlier)
            self._earlier[case.name] = earlier / "out"
            case.before = _sums(earlier / "out")
        folder = self._new(case)
        counted = self._folder / "counted"
        begin = time.monotonic()
        self._finish(self._start(case, folder, counted=str(counted)), folder)
        self._seconds[case.name] = time.monotonic() - begin
        both = map(int, counted.read_text().split())
        self._calls |= {
            (case.name, removals): count for removals, count in zip((True, False), both)
        }
        case.after = _sums(folder / "out")
        self._largest[case.name] = max(
            path.stat().st_size for path in files_in(folder / "out").values()
        )
        case.know(folder)
        case.check_finished(folder)

    def calls(self, case: str, removals: bool = False) -> int:
        """Returns how many calls of an undisturbed run change its folder."""
        return self._calls[case, removals]

    def random_moment(self, generator: random.Random, case: str, kind: str) -> Moment:
        """Returns a moment of this kind."""
        if kind == "time":
            return Moment(case, kind, generator.uniform(0, self._seconds[case]))
        if kind == "call":
            return Moment(case, kind, generator.randint(1, self.calls(case, removals=True)))
        if kind == "error":
            error = generator.choice(ERRORS) + generator.choice(("", "+"))
            return Moment(case, kind, generator.randint(1, self.calls(case)), error)
        least = _LEAST_BYTES if kind == "limit" else 1
        return Moment(case, kind, generator.randint(least, max(least, self._largest[case])))

    def disturb(self, moments: list[Moment]) -> int:
        """Runs a program with these disturbances, one after the other, then undisturbed.

        Returns:
          How many of them were possible here.

        Raises:
          Lost: something is not as it has to be.
        """
        case = self.cases[moments[0].case]
        folder = self._new(case)
        done = 0
        for moment in moments:
            done += self._disturb_once(case, folder, moment)
            self._check(case, folder)
        # What was complete already is refused to be done again, unless it is said.
        program = self._start(case, folder)
        self._finish(program, folder)
        case.check_finished(folder)
        shutil.rmtree(folder)
        return done

    def _disturb_once(self, case: Case, folder: pathlib.Path, moment: Moment) -> bool:
        if moment.kind == "time":
            program = self._start(case, folder)
            program.wait(moment.place)
            program.send_signal(signal.SIGKILL)
            self._wait(program)
            return True
        if moment.kind == "call":
            program = self._start(case, folder, at=int(moment.place), removals=True)
            self._wait(program)
            return True
        mounted = moment.kind == "full"
        if mounted and not self._mount(case, folder, int(moment.place)):
            return False
        try:
            options = {}
            if moment.kind == "error":
                error = moment.error.removesuffix("+")
                options = {
                    "at": int(moment.place),
                    "error": error,
                    "lasting": moment.error.endswith("+"),
                    "removals": moment.error == "EROFS+",
                }
            elif moment.kind == "limit":
                options = {"limit": int(moment.place)}
            program = self._start(case, folder, **options)
            code = self._wait(program)
            self._check_words(case, folder, program, code)
            if mounted:
                self._check(case, folder)
            return True
        finally:
            if mounted:
                _unmount(folder / "out")

    def _mount(self, case: Case, folder: pathlib.Path, size: int) -> bool:
        out = folder / "out"
        earlier = folder / "earlier"
        out.rename(earlier)
        out.mkdir()
        room = sum(path.stat().st_size + 4096 for path in earlier.rglob("*"))
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={room + size}", "none", out],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            out.rmdir()
            earlier.rename(out)
            return False
        shutil.copytree(earlier, out, dirs_exist_ok=True)
        # One run may meet several full file systems.
        shutil.rmtree(earlier)
        return True

    def _check_words(self, case: Case, folder: pathlib.Path, program: Program, code: int) -> None:
        said = program.output
        if "Traceback" in said:
            raise Lost(f"a traceback:\n{said}")
        if code == 0:
            if missing := case.missing(folder):
                raise Lost(f"exit code 0 without {missing}:\n{said}")
        elif "error: " not in said:
            raise Lost(f"exit code {code} without a word:\n{said}")

    def _check(self, case: Case, folder: pathlib.Path) -> None:
        case.check(folder)
        if _sums(case.assets) != self._inputs:
            raise Lost("an input was touched")

    def _new(self, case: Case) -> pathlib.Path:
        folder = self._folder / f"{next(self._numbers)}"
        (folder / "out").mkdir(parents=True)
        if case.before:
            shutil.copytree(self._earlier[case.name], folder / "out", dirs_exist_ok=True)
        return folder

    def _start(self, case: Case, folder: pathlib.Path, arguments=None, **options) -> Program:
        given = json.dumps({"below": str(folder / "out"), **options})
        arguments = case.arguments(folder) if arguments is None else arguments
        if case.libraries not in self._started:
            printed = self._folder / f"printed{len(self._started)}"
            printed.mkdir()
            self._started[case.libraries] = Programs(printed, case.libraries)
        return self._started[case.libraries].start(
            "-c", faults.PROGRAM, given, case.module, *arguments
        )

    def _wait(self, program: Program) -> int:
        code = program.wait(_LONGEST)
        if code is None:
            program.send_signal(signal.SIGKILL)
            raise Lost(f"hangs:\n{program.output}")
        return code

    def _finish(self, program: Program, folder: pathlib.Path) -> None:
        if self._wait(program):
            raise Lost(f"does not finish in {folder}:\n{program.output}")


def batches(
    kills: Kills, seed: int, names: list[str], kinds: list[str]
) -> collections.abc.Iterator[list[Moment]]:
    """Yields moments without end, in turn for every program and kind; several of one run."""
    generator = random.Random(seed)
    while True:
        for kind, name in itertools.product(kinds, names):
            count = generator.randint(1, _KILLS_OF_A_RUN) if name == "train" else 1
            yield [kills.random_moment(generator, name, kind) for _ in range(count)]


def _unmount(folder: pathlib.Path) -> None:
    """Takes the file system away, and leaves what was on it in the folder."""
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    kept.rename(folder)


def _sums(folder: pathlib.Path) -> dict[str, str]:
    return {name: sha256(path) for name, path in files_in(folder).items()}
