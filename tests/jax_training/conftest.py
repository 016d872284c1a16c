"""Runs code on Keras' JAX backend in a process that cannot import TensorFlow."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# None makes every import of it fail.
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
"""


@pytest.fixture(scope="session")
def on_jax(tmp_path_factory):
    """Runs code with arguments; returns the exit code and what was printed."""
    cache = tmp_path_factory.mktemp("compiled")

    def run(code: str, *arguments, devices: int = 1) -> tuple[int, str]:
        process = subprocess.run(
            [sys.executable, "-c", WITHOUT_TENSORFLOW + code, *map(str, arguments)],
            cwd=ROOT,
            env={
                **os.environ,
                "KERAS_BACKEND": "jax",
                "JAX_PLATFORMS": "cpu",
                "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
                # Compiling takes most of the time.
                "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
                "JAX_COMPILATION_CACHE_DIR": str(cache),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return process.returncode, process.stdout + process.stderr

    return run
