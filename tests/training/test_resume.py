"""Runs of the training program: killed, stopped, on several devices.

All of them train the same small network on the same photos with the whole loss, and
are held against one run that nothing disturbed.
"""

from __future__ import annotations

import json
import pathlib
import signal
import time

import numpy as np
import pytest

from tests import runs
from tests.programs import Program
from tests.runs import column, weights

STEPS = 16


def command(pairs: pathlib.Path, run_dir: pathlib.Path, *flags: str) -> list[str]:
    return [
        "train_main.py",
        f"--data_dir={pairs}",
        f"--run_dir={run_dir}",
        # Little to trace: it is most of what a short run takes.
        "--preset=tiny",
        "--scales=1",
        "--branch_blocks=0",
        "--fusion_blocks=0",
        "--discriminator_width=8",
        f"--steps={STEPS}",
        "--batch_size=4",
        "--crop_size=32",
        "--val_fraction=0.25",
        "--photometric_fraction=0.25",
        "--synthetic_start=0",
        "--synthetic_ramp=10",
        "--warmup_steps=5",
        "--deterministic",
        "--log_every=1",
        "--validate_every=8",
        "--checkpoint_every=4",
        *flags,
    ]


def finish(program: Program, code: int = 0) -> str:
    assert program.wait() == code, program.output
    return program.output


def wait_for_checkpoint(program: Program, run_dir: pathlib.Path, step: int) -> None:
    while not (run_dir / "checkpoints" / f"step-{step}.index").exists():
        assert program.code is None, program.output
        time.sleep(0.005)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, make_pairs) -> pathlib.Path:
    return make_pairs(tmp_path_factory.mktemp("photos") / "pairs")


@pytest.fixture(scope="module")
def undisturbed(programs, pairs, tmp_path_factory) -> pathlib.Path:
    run_dir = tmp_path_factory.mktemp("undisturbed")
    finish(programs.start(*command(pairs, run_dir)))
    return run_dir


def test_a_run_leaves_all_its_files(undisturbed):
    assert {path.name for path in undisturbed.iterdir()} == runs.FILES
    report = json.loads((undisturbed / "report.json").read_text())
    assert report["steps"] == STEPS
    assert report["best"]["validation"]["psnr"] >= report["last"]["validation"]["psnr"]


def test_every_loss_of_the_whole_method_is_logged(undisturbed):
    for name in (
        "loss", "content", "ssim", "psnr", "learning_rate", "gradient_norm",
        "synthetic_content", "synthetic_ssim", "kl", "adversarial_low", "adversarial_degradation",
        "discriminator_low", "discriminator_degradation",
    ):  # fmt: skip
        assert sorted(column(undisturbed, name)) == list(range(1, STEPS + 1))


@pytest.mark.long
def test_a_run_that_was_stopped_then_killed_ends_with_the_same_weights(
    programs, undisturbed, pairs, tmp_path
):
    program = programs.start(*command(pairs, tmp_path, "--checkpoint_every=1000"))
    # The log is written step by step here.
    while not (tmp_path / "metrics.csv").exists() or not column(tmp_path, "loss"):
        assert program.code is None, program.output
        time.sleep(0.005)
    program.send_signal(signal.SIGTERM)
    output = finish(program, 128 + signal.SIGTERM)
    assert "stopped by SIGTERM after step" in output.splitlines()[-1]
    assert (tmp_path / "last.keras").exists()
    assert any((tmp_path / "checkpoints").glob("*.index"))

    flagfile = f"--flagfile={tmp_path / 'run.flags'}"
    program = programs.start("train_main.py", flagfile, "--checkpoint_every=4")
    wait_for_checkpoint(program, tmp_path, 12)
    program.send_signal(signal.SIGKILL)
    finish(program, -signal.SIGKILL)
    assert not (tmp_path / "report.json").exists()

    finish(programs.start(*command(pairs, tmp_path)))
    for resumed, expected in zip(weights(tmp_path), weights(undisturbed)):
        np.testing.assert_array_equal(resumed, expected)
    # Each step has one line, those that were lost and done again too.
    assert column(tmp_path, "loss") == column(undisturbed, "loss")


def test_other_options_are_refused_and_named(programs, undisturbed, pairs):
    before = (undisturbed / "report.json").read_bytes()
    output = finish(programs.start(*command(pairs, undisturbed, "--learning_rate=0.1")), 1)
    assert "training.learning_rate was 0.0004 and is now 0.1" in output.splitlines()[-1]
    assert (undisturbed / "report.json").read_bytes() == before


@pytest.mark.long
def test_two_devices_give_the_loss_curve_of_one(programs, undisturbed, pairs, tmp_path):
    finish(programs.start(*command(pairs, tmp_path, "--logical_cpus=2")))
    for name in ("loss", "discriminator_low", "gradient_norm"):
        one, two = column(undisturbed, name), column(tmp_path, name)
        assert one.keys() == two.keys()
        np.testing.assert_allclose(list(two.values()), list(one.values()), rtol=2e-3)
