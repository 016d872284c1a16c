"""What training runs leave in their folders."""

from __future__ import annotations

import csv
import pathlib

import numpy as np

from drgn_tf.models import load_model

# In the folder of a finished run, on any backend.
FILES = {
    "config.json", "run.flags", "checkpoints", "best.keras", "best.json", "last.keras",
    ".lock", "metrics.csv", "tensorboard", "samples.png", "report.json",
}  # fmt: skip


def weights(run_dir: pathlib.Path) -> list[np.ndarray]:
    """Returns the weights of the last network."""
    return load_model(run_dir / "last.keras").get_weights()


def logged(run_dir: pathlib.Path) -> list[dict[str, float]]:
    """Returns what was logged of the training steps, a row a time, without what was left out."""
    with (run_dir / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["loss"]]
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def column(run_dir: pathlib.Path, name: str) -> dict[int, float]:
    """Returns one value of the training steps, by step."""
    return {int(row["step"]): row[name] for row in logged(run_dir) if name in row}
