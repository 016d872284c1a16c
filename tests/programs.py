"""Programs as their users start them, without importing TensorFlow for each.

A process imports the libraries once and forks whenever a program is to be run: what runs is a
process of its own, with its own flags, environment, signals and exit code.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]

# A line of JSON starts a program and is answered by its process id, or asks for an exit code.
_SERVER = """
import gc, json, os, runpy, sys, types

exec(sys.argv[1])
# Libraries stay: looking through them for garbage takes a twentieth of the time.
gc.freeze()
for line in sys.stdin:
    job = json.loads(line)
    if "ended" in job:
        process, status = os.waitpid(job["ended"], os.WNOHANG)
        print(json.dumps(os.waitstatus_to_exitcode(status) if process else None), flush=True)
        continue
    process = os.fork()
    if process:
        print(process, flush=True)
        continue
    for number, path in enumerate([os.devnull, job["stdout"], job["stderr"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.environ.update(job["environment"])
    program, *arguments = job["command"]
    if program == "-c":
        code, *arguments = arguments
        sys.argv = ["-c", *arguments]
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(code, vars(sys.modules["__main__"]))
    elif program == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")
    sys.exit()
"""


class Program:
    """A program that was started, and what it has printed."""

    def __init__(self, server: Programs, folder: pathlib.Path, command: list, environment: dict):
        self._server = server
        self._paths = {name: str(folder / name) for name in ("stdout", "stderr")}
        for path in self._paths.values():
            pathlib.Path(path).touch()
        self._code: int | None = None
        command = [*map(str, command)]
        self.id: int = server.ask(command=command, environment=environment, **self._paths)

    @property
    def code(self) -> int | None:
        """The exit code, negative after a signal; None while it runs."""
        if self._code is None:
            self._code = self._server.ask(ended=self.id)
        return self._code

    @property
    def stdout(self) -> str:
        return pathlib.Path(self._paths["stdout"]).read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return pathlib.Path(self._paths["stderr"]).read_text(encoding="utf-8")

    @property
    def output(self) -> str:
        """What it printed, errors last."""
        return self.stdout + self.stderr

    def send_signal(self, number: int) -> None:
        if self.code is None:
            os.kill(self.id, number)

    def wait(self, seconds: float = 1800) -> int | None:
        """Waits until it has ended, at most so long; returns the exit code."""
        limit = time.monotonic() + seconds
        while self.code is None and time.monotonic() < limit:
            time.sleep(0.01)
        return self.code


class Programs:
    """Starts programs; ends those that are left when it is closed.

    Args:
      folder: for what they print.
      libraries: code that imports what they all need.
      **environment: variables that it needs for that.
    """

    def __init__(self, folder: pathlib.Path, libraries: str, **environment: str):
        self._folder = folder
        self._started: list[Program] = []
        inherited = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, libraries],
            cwd=ROOT,
            env=inherited | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **job):
        """Sends a job to the server and returns its answer."""
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, *command: object, **environment: str) -> Program:
        """Starts what `python` would with this command line, from the root of the repository."""
        folder = self._folder / str(len(self._started))
        folder.mkdir()
        self._started.append(Program(self, folder, command, environment))
        return self._started[-1]

    def run(self, *command: object, **environment: str) -> Program:
        """Starts it and waits until it has ended."""
        program = self.start(*command, **environment)
        assert program.wait() is not None, program.output
        return program

    def close(self) -> None:
        for program in self._started:
            program.send_signal(signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(60)
