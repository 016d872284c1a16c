"""Several workers on one machine: together like one, killed, stopped, and started again.

They train the smallest network there is, which is traced in seconds, with the restoration loss
alone: what is tested is what holds the workers together. That all workers have the same weights
shows in a run that was interrupted: it goes on from the chief's, and ends like one in which each
worker kept its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.programs import ROOT, Program
from tests.runs import column, weights

STEPS = 40
SAVED_EVERY = 5
FLAGS = (
    "--preset=tiny",
    "--notwo_step",
    "--scales=1",
    "--branch_blocks=0",
    "--fusion_blocks=0",
    "--synthetic_weight=0",
    "--ssim_weight=0",
    f"--steps={STEPS}",
    "--batch_size=4",
    "--crop_size=16",
    "--val_fraction=0.25",
    "--warmup_steps=5",
    "--deterministic",
    "--log_every=1",
    f"--validate_every={STEPS}",
    f"--checkpoint_every={SAVED_EVERY}",
)
# To notice that another worker is gone, and to leave; seconds. Far more than it takes.
PATIENCE = 100


def said(worker: Program) -> str:
    """What it said last, without TensorFlow's own lines."""
    lines = worker.output.splitlines()
    return next(line for line in reversed(lines) if line.startswith(("error:", "stopped")))


def end(worker: Program, code: int, seconds: float = 300) -> None:
    """Waits until it has ended, which it must with this exit code."""
    assert worker.wait(seconds) == code, worker.output


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, make_pairs) -> pathlib.Path:
    return make_pairs(tmp_path_factory.mktemp("photos") / "pairs")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="module")
def start(programs):
    """Starts two workers with the same command."""

    def start_both(arguments: list[str]) -> list[Program]:
        addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
        workers = []
        for index in range(2):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            workers.append(programs.start(*arguments, TF_CONFIG=json.dumps(task)))
        return workers

    return start_both


def command(pairs: pathlib.Path, run_dir: pathlib.Path, *flags: str) -> list[str]:
    return ["train_main.py", f"--data_dir={pairs}", f"--run_dir={run_dir}", *FLAGS, *flags]


def wait_for_checkpoint(workers: list[Program], run_dir: pathlib.Path, step: int) -> None:
    saved = [run_dir / "checkpoints" / f"step-{s}.index" for s in range(step, STEPS, SAVED_EVERY)]
    limit = time.monotonic() + 300
    while not any(path.exists() for path in saved):
        for worker in workers:
            assert worker.code is None and time.monotonic() < limit, worker.output
        time.sleep(0.01)


def losses(run_dir: pathlib.Path) -> list[float]:
    return [*column(run_dir, "loss").values()]


@pytest.fixture(scope="module")
def undisturbed(start, pairs, tmp_path_factory) -> pathlib.Path:
    """The folder of a run of two workers that nothing happened to."""
    run_dir = tmp_path_factory.mktemp("undisturbed")
    # How often a run saves does not change what it learns.
    for worker in start(command(pairs, run_dir, "--checkpoint_every=1000")):
        end(worker, 0)
    return run_dir


def test_two_workers_learn_like_one(programs, undisturbed, pairs, tmp_path):
    end(programs.start(*command(pairs, tmp_path / "run")), 0)
    assert len(losses(undisturbed)) == STEPS
    np.testing.assert_allclose(losses(undisturbed), losses(tmp_path / "run"), rtol=2e-3)
    # Of the first step, whose weights are the same: sums of some 10^5 squares in another order.
    # What is clipped, and so the step, does not depend on the number of workers.
    first, alone = (column(run, "gradient_norm")[1] for run in (undisturbed, tmp_path / "run"))
    np.testing.assert_allclose(first, alone, rtol=1e-4)


@pytest.mark.long
def test_killed_and_stopped_workers_go_on_as_if_nothing_had_happened(
    start, undisturbed, pairs, tmp_path
):
    for lost, step in ((1, 5), (0, 15)):
        workers = start(command(pairs, tmp_path))
        wait_for_checkpoint(workers, tmp_path, step)
        workers[lost].send_signal(signal.SIGKILL)
        left = workers[1 - lost]
        end(left, 75, PATIENCE)
        assert "another worker" in said(left)
        assert "give the same command again on all machines" in said(left)
        assert "Traceback" not in left.output

    workers = start(command(pairs, tmp_path))
    wait_for_checkpoint(workers, tmp_path, 25)
    workers[1].send_signal(signal.SIGTERM)
    for worker in workers:
        end(worker, 128 + signal.SIGTERM, PATIENCE)
    stopped_after = {re.search(r"after step (\d+)", said(worker))[1] for worker in workers}
    assert len(stopped_after) == 1
    assert (tmp_path / "checkpoints" / f"step-{stopped_after.pop()}.index").exists()
    assert not (tmp_path / "report.json").exists()

    for worker in start(command(pairs, tmp_path)):
        end(worker, 0)
    for resumed, expected in zip(weights(tmp_path), weights(undisturbed), strict=True):
        np.testing.assert_array_equal(resumed, expected)
    assert losses(tmp_path) == losses(undisturbed)


def run_worker_script(name: str, folder: pathlib.Path, **environment: str) -> dict:
    """Runs an example's worker.sh up to where it becomes the program; returns its TF_CONFIG."""
    scontrol = folder / "scontrol"
    scontrol.write_text(
        '#!/bin/bash\n[ "$*" = "show hostnames gpu[7-9]" ] && printf "gpu%d\\n" 7 8 9\n'
    )
    program = folder / "program"
    program.write_text(
        '#!/bin/bash\n[ "$*" = "train_main.py --a=1 --b=x y" ] && echo "$TF_CONFIG"\n'
    )
    for path in (scontrol, program):
        path.chmod(0o755)
    path = f"{folder}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", f"examples/{name}/worker.sh", "--a=1", "--b=x y"],
        cwd=ROOT,
        env={**environment, "PATH": path, "PYTHON": str(program)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stdout)


def test_slurm_workers_are_told_where_all_are(tmp_path):
    slurm = {"SLURM_JOB_NODELIST": "gpu[7-9]", "SLURM_JOB_ID": "4012345", "SLURM_PROCID": "2"}
    assert run_worker_script("slurm", tmp_path, **slurm) == {
        "cluster": {"worker": ["gpu7:22345", "gpu8:22345", "gpu9:22345"]},
        "task": {"type": "worker", "index": 2},
    }


def test_kubernetes_pods_are_told_where_all_are(tmp_path):
    pod = {"JOB_NAME": "drgn-train", "WORKERS": "2", "JOB_COMPLETION_INDEX": "1"}
    assert run_worker_script("kubernetes", tmp_path, **pod) == {
        "cluster": {"worker": ["drgn-train-0.drgn-train:2222", "drgn-train-1.drgn-train:2222"]},
        "task": {"type": "worker", "index": 1},
    }


def test_the_slurm_job_requeues_itself_only_where_that_helps(tmp_path):
    for name, text in (
        ("srun", 'exit "$CODE"'),
        ("scontrol", 'echo "$*"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    for code, requeued in ((0, False), (1, False), (75, True), (137, True), (143, True)):
        result = subprocess.run(
            ["bash", "examples/slurm/train.sbatch"],
            cwd=ROOT,
            env={"PATH": path, "CODE": str(code), "SLURM_JOB_ID": "7"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == code
        assert result.stdout == "requeue 7\n" * requeued


def test_impossible_workers_are_refused():
    result = subprocess.run(
        [sys.executable, "examples/tf_config.py", "--port=1", "--index=2", "a", "b"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "worker 2 is not one of 2: a b" in result.stderr
