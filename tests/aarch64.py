"""Runs the files of an export on emulated ARM processors, and checks what they give.

  python -m tests.aarch64 exported

An aarch64 Python with LiteRT and ONNX Runtime, in the versions that constraints/ locks, checks each
file by the golden/check.py of the export, under QEMU (qemu-aarch64 of the Debian package qemu-user;
from version 10 on: with 7.2 both runtimes crash). Python comes as Debian packages, which are
unpacked into build/aarch64 and not installed; so this runs on Debian and its like, once by hand
before a release. What it takes there says nothing of the time on a phone.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time
import zipfile

ROOT = pathlib.Path(__file__).parents[1]
WORK = ROOT / "build" / "aarch64"
# Both runtimes, and what they import.
PACKAGES = {
    "ai-edge-litert", "backports-strenum", "flatbuffers", "ml-dtypes", "numpy", "onnxruntime",
    "packaging", "protobuf", "tqdm", "typing-extensions",
}  # fmt: skip
# As old as a wheel may ask for: what Debian 12 has.
GLIBC = range(17, 37)
# With kernels for products of bytes (ARMv8.2), as phones have since 2018; and without.
PROCESSORS = ("max", "cortex-a53")


def main() -> int:
    """Returns how many checks failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="of an export")
    parser.add_argument("--qemu", default="qemu-aarch64", help="the program")
    parser.add_argument("--processors", nargs="+", default=PROCESSORS, help="of qemu -cpu help")
    arguments = parser.parse_args()
    python = unpacked_python()
    packages = unpacked_wheels(python)
    check = arguments.folder / "golden" / "check.py"
    files = sorted([*arguments.folder.glob("tflite/*"), *arguments.folder.glob("onnx/*")])
    failed = 0
    for processor in arguments.processors:
        for file in files:
            begun = time.perf_counter()
            process = subprocess.run(
                [arguments.qemu, "-cpu", processor, "-L", WORK / "root", python, check, file],
                env={**os.environ, "PYTHONPATH": str(packages), "PYTHONHOME": ""},
                capture_output=True,
                text=True,
                check=False,
            )
            took = time.perf_counter() - begun
            said = (process.stdout + process.stderr).strip().splitlines()
            lines = [line for line in said if "right" in line] if not process.returncode else said
            print(f"{processor}, {took:.0f} s:", *lines[-3:], sep="\n  ", flush=True)
            failed += bool(process.returncode)
    print(f"{len(files) * len(arguments.processors) - failed} passed, {failed} failed")
    return failed


def unpacked_python() -> pathlib.Path:
    """Unpacks Debian's Python for aarch64 and what it needs; returns its program."""
    state = WORK / "apt"
    if not (WORK / "root").exists():
        (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (state / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        options = [
            "APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root",
            f"Dir::State={state}", f"Dir::State::status={state / 'status'}", f"Dir::Cache={state}",
            "Debug::NoLocking=1",
        ]  # fmt: skip
        apt = ["apt-get", "-qq", *(f"-o{option}" for option in options)]
        subprocess.run([*apt, "update"], check=True)
        wanted = ["python3", "libstdc++6", "libgomp1"]
        install = ["install", "--download-only", "--no-install-recommends", "-y", *wanted]
        subprocess.run([*apt, *install], check=True, stdout=subprocess.DEVNULL)
        for package in sorted((state / "archives").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, WORK / "partial"], check=True)
        (WORK / "partial").rename(WORK / "root")
    return (WORK / "root" / "usr" / "bin" / "python3").resolve()


def unpacked_wheels(python: pathlib.Path) -> pathlib.Path:
    """Unpacks the locked wheels of both runtimes; returns their folder."""
    version = python.name.removeprefix("python")
    packages = WORK / f"packages-{version}"
    if not packages.exists():
        lock = (ROOT / "constraints" / f"python-{version}.txt").read_text(encoding="utf-8")
        # A line for a package, and further ones with its hashes.
        locked = re.findall(r"^(([\w-]+)==(?:.*\\\n)*.*\n)", lock, re.M)
        requirements = WORK / "requirements.txt"
        requirements.write_text("".join(text for text, name in locked if name in PACKAGES))
        platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in GLIBC]
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--only-binary=:all:", "--implementation=cp", f"--python-version={version}",
            "--no-deps", "--require-hashes", f"--requirement={requirements}",
            f"--dest={WORK / 'wheels'}", *platforms, "--platform=manylinux2014_aarch64",
        ]  # fmt: skip
        subprocess.run(command, check=True)
        for wheel in sorted((WORK / "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as content:
                content.extractall(WORK / "partial")
        (WORK / "partial").rename(packages)
    return packages


if __name__ == "__main__":
    sys.exit(main())
