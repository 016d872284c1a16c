"""What the training program for JAX says to those who ask for what it has not."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# Every flag in one process, which starts only once.
ASK = """
import sys
sys.modules["tensorflow"] = None
from absl import flags
from absl.testing import flagsaver
import train_jax_main

for flag in sys.argv[2:]:
    with flagsaver.flagsaver():
        try:
            arguments = ["--data_dir=sample", f"--run_dir={sys.argv[1]}", flag]
            train_jax_main.main(flags.FLAGS(["train_jax_main.py", *arguments]))
        except SystemExit as error:
            print(flag, error.code, file=sys.stderr)
"""


def test_what_has_no_meaning_on_jax_is_refused_in_one_line(tmp_path):
    said = {
        "--strategy=mirrored": "--strategy is not for JAX",
        "--logical_cpus=2": "--logical_cpus is not for JAX",
        "--xla": "--xla is not for JAX",
        "--deterministic": "--deterministic is not for JAX",
        "--profile=5": "--profile is not for JAX",
        "--precision=mixed_float16": "--precision=mixed_float16 needs loss scaling",
        "--width=18": "width (18) must be divisible",
    }
    process = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path / "run"), *said],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    lines = process.stderr.splitlines()
    for flag, text in said.items():
        assert lines[lines.index(f"{flag} 1") - 1].startswith(f"error: {text}"), flag
    assert not (tmp_path / "run").exists()
