from __future__ import annotations

import csv
import types

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.losses import LossOptions
from drgn_tf.models import preset
from drgn_tf.training import RunOptions, TrainingOptions
from drgn_tf.training.logs import RunLogs
from drgn_tf.training.run import _logs
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.tensorboard import TensorBoard
from drgn_tf.training.validation import Validation

RESULT = Validation(
    20.0, 0.8, 21.0, 0.9, 0.3, 12.0, 1.1, 8.0, 0.2, (-0.1, -0.2, -0.3), 0.01, 0.5, 1.0,
    [np.zeros((4, 20, 3), np.uint8)],
)  # fmt: skip


def rows(folder: RunFolder) -> list[dict]:
    with folder.file("metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_lines_after_the_checkpoint_are_dropped_and_half_lines_too(tmp_path):
    folder = RunFolder(tmp_path)
    with RunLogs(folder, ["loss", "psnr"], 0, 10, 4) as logs:
        for step in (1, 2, 3):
            logs.training(step, {"loss": 0.5 / step, "psnr": 10.0}, 1e-3)
    with folder.file("metrics.csv").open("a") as file:
        file.write("3,1")
    with RunLogs(folder, ["loss", "psnr"], 2, 10, 4) as logs:
        logs.training(3, {"loss": 0.25, "psnr": 11.0}, 1e-3)
    assert [(row["step"], row["loss"]) for row in rows(folder)] == [
        ("1", "0.5"), ("2", "0.25"), ("3", "0.25")
    ]  # fmt: skip


def test_an_end_that_a_power_failure_left_is_dropped(tmp_path):
    folder = RunFolder(tmp_path)
    for left in (bytes(300_000), bytes(range(256)) * 9, "\n²,1".encode()):
        folder.file("metrics.csv").write_bytes(b"step,loss\n1,0.5\n" + left)
        with RunLogs(folder, ["loss"], 2, 10, 4):
            pass
        assert [(row["step"], row["loss"]) for row in rows(folder)] == [("1", "0.5")]


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    folder = RunFolder(tmp_path)
    board = TensorBoard(folder.file("tensorboard"))
    logs = RunLogs(folder, ["loss", "psnr"], 0, 10, 4, board)
    # Until it is entered it writes nothing.
    assert list(tmp_path.iterdir()) == []
    with logs:
        logs.training(5, {"loss": 0.5, "psnr": 10.0}, 1e-3)
        logs.validation(5, RESULT)
    events = EventAccumulator(str(folder.file("tensorboard")))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "train/learning_rate", "validation/psnr"} <= set(tags["scalars"])
    assert "validation/degradation_mean_b" in tags["scalars"]
    (scalar,) = events.Scalars("train/loss")
    assert (scalar.step, scalar.value) == (5, 0.5)
    (picture,) = events.Images("low, degradation, base, enhanced, reference/0")
    assert (picture.width, picture.height) == (20, 4)
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert rows(folder)[-1]["val_psnr"] == "20"


def test_without_the_package_one_line_says_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(TensorBoard, "is_installed", lambda: False)
    options = RunOptions(
        preset("tiny"), LossOptions(), DataOptions(), PhotometricOptions(), TrainingOptions()
    )
    trainer = types.SimpleNamespace(scalar_names=["loss", "psnr"], step=0)
    data = types.SimpleNamespace(extra_validation={})
    told = []
    with _logs(options, trainer, data, RunFolder(tmp_path), told.append) as logs:
        logs.training(1, {"loss": 0.5, "psnr": 10.0}, 1e-3)
    assert told == ["tensorboard/: left out, as the package tensorboard is not installed."]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
