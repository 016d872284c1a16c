"""Whole runs of the program: what they leave, stopped ones, and several devices."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.errors import UserError
from drgn_tf.losses import LossOptions
from drgn_tf.models import load_model, preset
from drgn_tf.training import RunFolder, RunOptions, TrainingOptions
from tests import runs
from tests.runs import column, weights

STEPS = 12
RATE = 5e-3

PROGRAM = """
import importlib, signal, sys
from absl.testing import flagsaver
from drgn_tf.cli import train as program

for name in program.FLAG_MODULES:
    importlib.import_module(name)

def train(*arguments):
    sys.argv[1:] = arguments
    with flagsaver.flagsaver():
        try:
            program.run()
        except SystemExit as error:
            return error.code
"""
RUN = (
    PROGRAM
    + """
run_dir, *arguments = sys.argv[1:]
assert train(f"--run_dir={run_dir}", *arguments) == 0
assert "tensorflow" not in {name for name, module in sys.modules.items() if module}
"""
)
# One run, another that is stopped, and a photo.
RUNS = (
    RUN
    + """
import numpy as np
from drgn_tf.models import load_model
from drgn_tf.training import RunFolder
from drgn_tf.training.jax.trainer import JaxTrainer

folder = RunFolder(run_dir)
enhanced = load_model(folder.file("best.keras"))(np.load(run_dir + ".npy"))["enhanced"]
np.save(run_dir + ".enhanced.npy", enhanced)

train_steps = JaxTrainer.train_steps

def interrupted(self, count, stop):
    if self.step == 4:
        signal.raise_signal(signal.SIGTERM)
        stop = True
    return train_steps(self, count, stop)

JaxTrainer.train_steps = interrupted
print("code:", train(f"--run_dir={run_dir}.stopped", *arguments))
JaxTrainer.train_steps = train_steps
print("code:", train(f"--flagfile={run_dir}.stopped/run.flags"))
"""
)


def arguments(pairs: pathlib.Path, *flags: str) -> list[str]:
    return [
        "--backend=jax",
        # A flagfile of the repository, with other photos and little to compile: that is most of
        # what a short run takes.
        "--flagfile=flags/lol_v1_mobile.flags", "--train_pairs=", "--test_pairs=", "--val_list=",
        f"--data_dir={pairs}", "--preset=tiny", "--val_fraction=0.25", f"--steps={STEPS}",
        "--batch_size=4", "--crop_size=16", "--warmup_steps=0", f"--learning_rate={RATE}",
        "--notwo_step", "--scales=1", "--branch_blocks=0", "--fusion_blocks=0",
        "--steps_per_call=4", "--log_every=4", "--checkpoint_every=6", "--validate_every=12",
        *flags,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, photo) -> pathlib.Path:
    from PIL import Image

    folder = tmp_path_factory.mktemp("pairs")
    for name in ("low", "high"):
        (folder / name).mkdir()
    for index in range(4):
        # Of different sizes.
        high = photo[50 * index : 50 * index + 48, 100 : 160 + 8 * index]
        low = np.round(255 * 0.6 * (high / 255.0) ** 2.5).astype(np.uint8)
        Image.fromarray(low).save(folder / "low" / f"{index}.png")
        Image.fromarray(high).save(folder / "high" / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def undisturbed(pairs, low_photo, on_jax, tmp_path_factory) -> pathlib.Path:
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    np.save(f"{run_dir}.npy", low_photo[:, 100:137, 150:203])
    code, output = on_jax(RUNS, run_dir, *arguments(pairs))
    assert code == 0, output
    assert "photos: 3 pairs to train on, 1 held out for validation" in output
    assert f"best.keras (step {STEPS})" in output
    assert "stopped by SIGTERM after step 6" in output
    assert "code: 143" in output and "code: 0" in output
    return run_dir


def test_a_run_leaves_the_files_of_any_run(undisturbed):
    assert {path.name for path in undisturbed.iterdir()} == runs.FILES
    report = json.loads((undisturbed / "report.json").read_text())
    assert report["steps"] == STEPS
    (events,) = (undisturbed / "tensorboard").iterdir()
    assert events.stat().st_size > 1000
    saved = sorted(path.name for path in (undisturbed / "checkpoints").iterdir())
    assert saved == ["step-12.npz", "step-6.npz"]


def test_the_loss_falls(undisturbed):
    losses = [*column(undisturbed, "loss").values()]
    assert len(losses) == 4
    assert losses[-1] < 0.9 * losses[0]


def test_a_stopped_run_ends_with_the_same_weights(undisturbed):
    resumed = weights(undisturbed.with_suffix(".stopped"))
    for one, other in zip(weights(undisturbed), resumed, strict=True):
        np.testing.assert_array_equal(other, one)


@pytest.mark.long
def test_two_devices_with_micro_batches_give_the_weights_of_one(
    undisturbed, pairs, on_jax, tmp_path
):
    code, output = on_jax(
        RUN, tmp_path, *arguments(pairs, "--gradient_accumulation_steps=2", "--logical_cpus=2")
    )
    assert code == 0, output
    assert "devices: 2 (cpu)" in output
    differences = np.concatenate(
        [
            np.abs(two - one).ravel()
            for one, two in zip(weights(undisturbed), weights(tmp_path), strict=True)
        ]
    )
    # Where rounding is all there is of a gradient, which few weights are, a step of Adam is still
    # as wide as the rate.
    assert np.quantile(differences, 0.97) < 1e-3
    assert differences.max() < 2 * STEPS * RATE


def test_the_network_is_the_same_in_tensorflow(undisturbed):
    photo, enhanced = (np.load(f"{undisturbed}{suffix}") for suffix in (".npy", ".enhanced.npy"))
    model = load_model(undisturbed / "best.keras")
    np.testing.assert_allclose(enhanced, model(photo)["enhanced"], atol=1e-4)


def test_the_other_backend_does_not_continue_the_run(undisturbed):
    config = json.loads((undisturbed / "config.json").read_text())
    options = RunOptions(
        preset("tiny"), LossOptions(), DataOptions(), PhotometricOptions(), TrainingOptions()
    )
    with pytest.raises(UserError, match="backend was jax and is now tensorflow"):
        RunFolder(undisturbed).check_options(options, config["photos"])
