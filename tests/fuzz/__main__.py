"""Fuzzes every reader of files from strangers (`make fuzz`).

    python -m tests.fuzz --seconds=600 --folder=build/fuzz

Each target runs in a process of its own for its share of the time, guided by the coverage of
Pillow and of this package. Corpora grow in the folder and serve the next run; what a reader
broke on is kept there and named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

# Of one input: seconds, and of a process: megabytes.
_TIMEOUT = 30
_MEGABYTES = 1024


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600, help="of all targets together")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("build/fuzz"))
    parser.add_argument("--targets", default="", help="by default all, such as: photos,layouts")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _fuzz(options.one, options.folder, options.seconds)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (it has wheels for Linux x86-64 only): inputs are changed "
              "at random, without coverage.")  # fmt: skip
    from tests.fuzz.targets import TARGETS

    options.folder.mkdir(parents=True, exist_ok=True)
    names = options.targets.split(",") if options.targets else list(TARGETS)
    found = []
    for name in names:
        share = max(1, options.seconds // len(names))
        process = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", f"--one={name}", f"--folder={options.folder}",
             f"--seconds={share}"],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        log = options.folder / f"{name}.log"
        log.write_text(process.stdout + process.stderr)
        runs = [line for line in log.read_text().splitlines() if line.startswith("Done ")]
        print(f"{name:12} {runs[-1] if runs else f'FOUND something, see {log}'}", flush=True)
        if process.returncode or not runs:
            found.append(name)
    return 1 if found else 0


def _fuzz(name: str, folder: pathlib.Path, seconds: int) -> int:
    """Fuzzes one target in this process."""
    try:
        import atheris
    except ModuleNotFoundError:
        atheris = None
    with (
        contextlib.nullcontext()
        if atheris is None
        else atheris.instrument_imports(include=["PIL", "drgn_tf"], enable_loader_override=False)
    ):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    for module in target.imports:
        # Here, not in every child process.
        importlib.import_module(module)
    # In memory, if the system has such a folder: what is written is flushed to the disk.
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as private:

        def run(data: bytes) -> None:
            target.read(data, pathlib.Path(private))

        if atheris is None or not target.guided:
            return _blind(name, folder, target, run, seconds)
        seeds = target.seeds()
        corpus = folder / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed)

        def mutate(data: bytes, most: int, seed: int) -> bytes:
            generator = random.Random(seed)
            if target.mutate is not None and generator.random() < 0.8:
                mutated = target.mutate(data, generator)
                if mutated != data:
                    return mutated[:most]
            return atheris.Mutate(data, most)

        arguments = [
            f"-max_total_time={seconds}", f"-timeout={_TIMEOUT}", f"-rss_limit_mb={_MEGABYTES}",
            f"-artifact_prefix={folder}/{name}-", "-max_len=8192", str(corpus),
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *arguments], run, custom_mutator=mutate)
        # Ends the process.
        atheris.Fuzz()
    return 0


def _blind(name: str, folder: pathlib.Path, target, run, seconds: int) -> int:
    """Changes seeds at random, without coverage."""
    generator = random.Random(time.time_ns())
    seeds, ended, count = target.seeds(), time.monotonic() + seconds, 0
    while time.monotonic() < ended:
        data = changed(generator.choice(seeds), generator)
        if target.mutate is not None:
            data = target.mutate(data, generator)
        try:
            run(data)
        except BaseException:
            (folder / f"{name}-crash").write_bytes(data)
            raise
        count += 1
    print(f"Done {count} runs in {seconds} second(s), without coverage")
    return 0


def changed(data: bytes, generator: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.choice((0, 1, 1, 2, 4, 16, 64))):
        # Headers and tables come first in some formats and last in others.
        reach = generator.choice((64, 1024, len(changed)))
        place = generator.randrange(min(reach, len(changed)) + 1)
        place = generator.choice((place, max(0, len(changed) - place)))
        kind = generator.random()
        if kind < 0.4:
            changed[place : place + 1] = generator.randbytes(1)
        elif kind < 0.8:
            place -= place % 4
            number = generator.choice((0, 1, 2, 3, 16, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1))
            changed[place : place + 4] = number.to_bytes(4, "little")
        elif kind < 0.9:
            del changed[place : place + generator.choice((1, 4, 100, len(changed)))]
        else:
            changed[place:place] = generator.randbytes(generator.choice((1, 4)))
    return bytes(changed)


if __name__ == "__main__":
    sys.exit(main())
