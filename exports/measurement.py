"""Measures the time and memory of an artefact on this machine.

  python -m drgn_tf.exports.measurement photo.npy model.tflite 2

Each artefact is measured in its own process, unaffected by memory and caches of the others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

_WARM_UP = 2
# Most runs, and the seconds after which no further run begins.
_RUNS = 10
_SECONDS = 2.0
_ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Time and memory of one artefact.

    Attributes:
      size: (height, width) of the photo in pixels.
      threads: number of compute threads.
      runs: number of runs after two of warm-up.
      median: milliseconds per run.
      p90: 90th percentile of the milliseconds per run.
      memory: peak memory, less that before the artefact was opened, in MB.
    """

    size: tuple[int, int]
    threads: int
    runs: int
    median: float
    p90: float
    memory: float


def measure(path: pathlib.Path, photo: np.ndarray, threads: int) -> Measurement:
    """Measures an artefact on a photo.

    Args:
      path: anything that `drgn_tf.inference.load_driver` opens.
      photo: uint8 [H, W, 3], of a size that the artefact takes.
      threads: number of compute threads.

    Raises:
      RuntimeError: the artefact does not run.
    """
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, photo)
        file.flush()
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "drgn_tf.exports.measurement",
                file.name,
                str(path.absolute()),
                str(threads),
            ],
            cwd=_ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or [f"code {process.returncode}"])[-1]
        raise RuntimeError(f"{path}: cannot be measured: {reason}")
    measured = json.loads(process.stdout.splitlines()[-1])
    return Measurement(**{**measured, "size": tuple(measured["size"])})


def peak_memory() -> float:
    """Returns the peak memory of this process since `forget_peak`, in MB."""
    try:
        status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        # Kilobytes on most systems, bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def forget_peak() -> None:
    """Resets `peak_memory` (Linux only)."""
    # Importing TensorFlow briefly needs more memory than many artefacts. Linux only.
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _measure_here(photo: np.ndarray, path: str, threads: int) -> Measurement:
    from drgn_tf.inference import load_driver, photo_thumbnail

    if not path.endswith((".tflite", ".onnx", ".ort")):
        # These start without TensorFlow, in a tenth of the time.
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    forget_peak()
    before = peak_memory()
    driver = load_driver(path, threads, trusted=True)
    image = photo[np.newaxis] / np.float32(255)
    size = driver.thumbnail_size
    thumbnail = None if size is None else photo_thumbnail(photo, size)
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < _WARM_UP + 3 or (
        len(times) < _WARM_UP + _RUNS and time.perf_counter() - begun < _SECONDS
    ):
        started = time.perf_counter()
        driver.run(image, thumbnail)
        times.append(1000 * (time.perf_counter() - started))
    times = times[_WARM_UP:]
    return Measurement(
        size=photo.shape[:2],
        threads=threads,
        runs=len(times),
        median=float(np.median(times)),
        p90=float(np.percentile(times, 90)),
        memory=peak_memory() - before,
    )


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_measure_here(np.load(sys.argv[1]), sys.argv[2],
                                                      int(sys.argv[3])))))  # fmt: skip
