from __future__ import annotations

import csv

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from drgn_tf.training.logs import RunLogs
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.tensorboard import TensorBoard
from drgn_tf.training.validation import Validation

RESULT = Validation(
    20.0, 0.8, 8.0, 0.2, (-0.1, -0.2, -0.3), 0.01, 0.5, 1.0, [np.zeros((4, 20, 3), np.uint8)]
)


def rows(folder: RunFolder) -> list[dict]:
    with folder.file("metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_lines_after_the_checkpoint_are_dropped_and_half_lines_too(tmp_path):
    folder = RunFolder(tmp_path)
    logs = RunLogs(folder, ["loss", "psnr"], 0, 10, 4)
    for step in (1, 2, 3):
        logs.training(step, {"loss": 0.5 / step, "psnr": 10.0}, 1e-3)
    logs.close()
    with folder.file("metrics.csv").open("a") as file:
        file.write("3,1")
    logs = RunLogs(folder, ["loss", "psnr"], 2, 10, 4)
    logs.training(3, {"loss": 0.25, "psnr": 11.0}, 1e-3)
    logs.close()
    assert [(row["step"], row["loss"]) for row in rows(folder)] == [
        ("1", "0.5"), ("2", "0.25"), ("3", "0.25")
    ]  # fmt: skip


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    folder = RunFolder(tmp_path)
    logs = RunLogs(folder, ["loss", "psnr"], 0, 10, 4, TensorBoard(folder))
    logs.training(5, {"loss": 0.5, "psnr": 10.0}, 1e-3)
    logs.validation(5, RESULT)
    logs.close()
    events = EventAccumulator(str(folder.file("tensorboard")))
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {"train/loss", "train/learning_rate", "validation/psnr"} <= tags
    assert "validation/degradation_mean_b" in tags
    assert any(tag.startswith("low, degradation, base, enhanced, reference") for tag in tags)
    assert rows(folder)[-1]["val_psnr"] == "20"
