from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.data import DataOptions, PhotometricOptions, load_run_data
from drgn_tf.errors import UserError
from drgn_tf.losses import LossOptions
from drgn_tf.models import DRGN, ModelFileError, load_model, preset
from drgn_tf.models.context import thumbnail
from drgn_tf.training import CadenceOptions, RunFolder, RunOptions, TrainingOptions
from drgn_tf.training import train as train_run
from drgn_tf.training.tensorflow import TensorFlowBackend, make_strategy
from tests.runs import column, logged

PHOTOMETRIC = PhotometricOptions()
# Little to trace: it is most of what a short run takes.
SMALL = preset("tiny", scales=1, branch_blocks=0, fusion_blocks=0)
SMALLEST = dataclasses.replace(SMALL, two_step=False)


@pytest.fixture
def photos(pair_folder):
    options = DataOptions(str(pair_folder), val_fraction=0.25)
    return load_run_data(options, PHOTOMETRIC, functools.partial(thumbnail, size=16))


def options(**training) -> RunOptions:
    return RunOptions(
        SMALLEST,
        LossOptions(synthetic_weight=0.0),
        DataOptions(),
        PHOTOMETRIC,
        TrainingOptions(**{"batch_size": 2, "crop_size": 32, "warmup_steps": 0, **training}),
        CadenceOptions(log_every=1, checkpoint_every=1, validate_every=100),
    )


def train(settings: RunOptions, photos, folder) -> dict | None:
    return train_run(settings, TensorFlowBackend(make_strategy()), photos, RunFolder(folder))


def checkpoints(folder) -> list[str]:
    return sorted(path.stem for path in (folder / "checkpoints").glob("*.index"))


def test_a_diverged_run_stops_with_its_step_and_keeps_its_checkpoint(photos, tmp_path):
    with pytest.raises(UserError, match=r"step 2: .*loss.* is NaN or infinite"):
        train(options(steps=5, learning_rate=1e30), photos, tmp_path)
    assert checkpoints(tmp_path) == ["step-1"]
    assert not (tmp_path / "report.json").exists()


def test_training_improves_and_the_synthetic_path_begins_when_told(photos, tmp_path):
    settings = dataclasses.replace(
        options(steps=60, learning_rate=5e-3),
        model=SMALL,
        loss=LossOptions(
            synthetic_start=58,
            synthetic_ramp=0,
            adversarial_low_weight=0.0,
            discriminator_width=8,
        ),
        cadence=CadenceOptions(log_every=1, checkpoint_every=100, validate_every=100),
    )
    metrics = train(settings, photos, tmp_path)["best"]["validation"]
    assert metrics["psnr"] > metrics["input_psnr"] + 1.0
    assert [*column(tmp_path, "synthetic_content")] == [59, 60]
    assert [*column(tmp_path, "adversarial_degradation")] == [59, 60]
    assert "adversarial_low" not in logged(tmp_path)[-1]


@pytest.mark.long
def test_fine_tuning_starts_from_a_trained_network(photos, tmp_path):
    trained = DRGN(SMALLEST)
    trained.build()
    trained.save(tmp_path / "trained.keras")
    started = options(
        steps=1, init_weights=str(tmp_path / "trained.keras"), learning_rate=1e-30, seed=9
    )
    train(started, photos, tmp_path / "run")
    tuned = load_model(tmp_path / "run" / "last.keras").get_weights()
    for before, after in zip(trained.get_weights(), tuned):
        np.testing.assert_allclose(after, before, atol=1e-6)
    other = dataclasses.replace(started, model=preset("tiny", scales=2))
    with pytest.raises(ModelFileError, match=r"trained\.keras: holds another network"):
        train(other, photos, tmp_path / "other")


@pytest.mark.long
def test_a_finished_run_reports_again_or_names_the_checkpoint_that_is_damaged(photos, tmp_path):
    first = train(options(steps=2), photos, tmp_path)
    before = (tmp_path / "metrics.csv").read_bytes()
    assert train(options(steps=2), photos, tmp_path) == first
    assert (tmp_path / "metrics.csv").read_bytes() == before

    for path in (tmp_path / "checkpoints").glob("step-2.data*"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"step-2: .*; remove step-2.\* to go on"):
        train(options(steps=2), photos, tmp_path)
    # What the message says, done.
    for path in (tmp_path / "checkpoints").glob("step-2.*"):
        path.unlink()
    assert train(options(steps=2), photos, tmp_path)["steps"] == 2
    assert [*column(tmp_path, "loss")] == [1, 2]


@pytest.mark.long
def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(photos, tmp_path, monkeypatch):
    write = tf.train.Checkpoint.write

    def disk_full_at_second(self, path):
        if path.endswith("step-2"):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
        return write(self, path)

    monkeypatch.setattr(tf.train.Checkpoint, "write", disk_full_at_second)
    with pytest.raises(UserError, match="No space left on device"):
        train(options(steps=3), photos, tmp_path)
    assert checkpoints(tmp_path) == ["step-1"]
    monkeypatch.undo()
    assert train(options(steps=3), photos, tmp_path)["steps"] == 3
