"""The loop and its actions, with a trainer that only counts."""

from __future__ import annotations

import dataclasses
import signal

import numpy as np
import pytest

from drgn_tf.errors import UserError
from drgn_tf.training import InterruptedRun, RunFolder
from drgn_tf.training.actions import KeepBest, LeaveOnSignal, LogSteps, Profile, SaveCheckpoint
from drgn_tf.training.checkpoints import Checkpoints
from drgn_tf.training.loop import Every, Progress, TrainingLoop
from drgn_tf.training.validation import Validation

RESULT = Validation(
    20.0, 0.7, 20.0, 0.7, 0.0, 0.0, 1.0, 8.0, 0.2, (0.0, 0.0, 0.0), 0.0, 1.0, 1.0, []
)


class Counting:
    """A trainer whose state is the number of its steps; at most 5 a call."""

    state_suffix = ".end"
    learning_rate = 0.5

    def __init__(self, losses=()):
        self.step = 0
        self.calls: list[int] = []
        self._losses = losses

    def train_steps(self, count, stop):
        count = min(count, 5)
        first, self.step = self.step, self.step + count
        self.calls.append(self.step)
        loss = [
            self._losses[i] if i < len(self._losses) else float(i) for i in range(first, self.step)
        ]
        return {"loss": np.array(loss), "psnr": np.zeros(count)}, stop

    def save_state(self, path):
        for ending in ("begin", "end"):
            path.with_name(f"{path.name}.{ending}").write_text(str(self.step))

    def load_state(self, path):
        self.step = int(path.with_name(f"{path.name}.end").read_text())


class Told:
    """Logs that remember."""

    def __init__(self):
        self.advanced, self.lines = 0, []

    def advance(self, steps):
        self.advanced += steps

    def training(self, step, scalars, learning_rate):
        self.lines.append((step, scalars["loss"], learning_rate))


class Noting:
    """An action that notes where it was called."""

    def __init__(self, *ends):
        self.ends, self.steps = ends, []

    def next_step(self, step):
        return min((end for end in self.ends if end > step), default=None)

    def __call__(self, progress):
        self.steps.append(progress.step)


def test_calls_end_where_actions_are_due_and_where_the_trainer_ends_them():
    trainer, noting = Counting(), Noting(3, 11)
    TrainingLoop(trainer, [noting], 14).run()
    assert trainer.calls == noting.steps == [3, 8, 11, 14]


def test_intervals_end_at_their_multiples():
    assert [Every((4,)).next_step(step) for step in (0, 1, 3, 4, 10)] == [4, 4, 4, 8, 12]
    assert [Every((4, 6)).next_step(step) for step in (0, 4, 6, 8, 11)] == [4, 6, 8, 12, 12]


def test_each_line_is_the_mean_since_the_line_before():
    trainer, logs = Counting(), Told()
    TrainingLoop(trainer, [LogSteps(logs, trainer, Every((4,)))], 10).run()
    assert logs.lines == [(4, 1.5, 0.5), (8, 5.5, 0.5), (10, 8.5, 0.5)]
    assert logs.advanced == 10


def test_a_diverged_run_is_stopped_before_it_is_saved(tmp_path):
    trainer, logs = Counting([1.0, 2.0, float("nan")]), Told()
    save = SaveCheckpoint(Checkpoints(tmp_path, 2, trainer), None, Every((2,)))
    actions = [LogSteps(logs, trainer, Every((2,))), save]
    with pytest.raises(UserError, match="step 3: loss is NaN or infinite"):
        TrainingLoop(trainer, actions, 10).run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-2.begin", "step-2.end"]


def test_a_run_that_is_asked_to_stop_is_logged_and_saved_and_goes_on(tmp_path):
    trainer, logs = Counting(), Told()
    checkpoints = Checkpoints(tmp_path, 1, trainer)
    with LeaveOnSignal() as leave:
        signal.raise_signal(signal.SIGTERM)
        actions = [
            LogSteps(logs, trainer, Every((100,))),
            SaveCheckpoint(checkpoints, None, Every((100,))),
            leave,
        ]
        with pytest.raises(InterruptedRun, match="stopped by SIGTERM after step 5") as error:
            TrainingLoop(trainer, actions, 10, leave.requested).run()
    assert error.value.exit_code == 128 + signal.SIGTERM
    assert [line[0] for line in logs.lines] == [5]
    resumed = Counting()
    Checkpoints(tmp_path, 1, resumed).restore()
    assert resumed.step == 5


def test_a_run_that_is_asked_to_stop_at_its_end_is_finished():
    trainer = Counting()
    with LeaveOnSignal() as leave:
        signal.raise_signal(signal.SIGINT)
        TrainingLoop(trainer, [leave], 5, leave.requested).run()
    assert trainer.step == 5


def test_only_whole_checkpoints_count_and_the_oldest_go(tmp_path):
    trainer = Counting()
    checkpoints = Checkpoints(tmp_path, 2, trainer)
    for step in (1, 2, 3):
        trainer.step = step
        checkpoints.save(step)
    (tmp_path / "step-4.begin").write_text("4")
    checkpoints.restore()
    assert trainer.step == 3
    assert {path.name for path in tmp_path.glob("*.end")} == {"step-2.end", "step-3.end"}
    assert not list(tmp_path.glob(".partial-*"))


def test_workers_other_than_the_chief_write_nothing(tmp_path):
    trainer = Counting()
    Checkpoints(tmp_path, 2, trainer, chief=False).save(1)
    assert list(tmp_path.iterdir()) == []


class Model:
    """Saves which step it is of."""

    step = 0

    def save(self, path):
        path.write_text(str(self.step))


@pytest.mark.parametrize(("monitor", "best"), [("psnr", 3), ("ssim", 2)])
def test_the_metric_that_was_asked_for_chooses_the_best(tmp_path, monitor, best):
    model = Model()
    keep = KeepBest(RunFolder(tmp_path), model, monitor, step=0)
    for model.step, psnr, ssim in ((1, 20.0, 0.70), (2, 19.0, 0.71), (3, 21.0, 0.69)):
        result = dataclasses.replace(RESULT, psnr=psnr, ssim=ssim)
        progress = Progress(model.step, 9, {}, validation=result)
        keep(progress)
    assert keep.step == best
    assert progress.best is (best == 3)
    assert (tmp_path / "best.keras").read_text() == str(best)
    # A run that goes on remembers it; another one in this folder does not.
    assert KeepBest(RunFolder(tmp_path), model, monitor, step=3).step == best
    assert KeepBest(RunFolder(tmp_path), model, monitor, step=0).step is None


def test_the_steps_that_were_asked_for_are_profiled_once():
    happened = []
    trainer = Counting()
    with Profile(
        lambda: happened.append(("start", trainer.step)),
        lambda: happened.append(("stop", trainer.step)),
        begin=3,
        steps=4,
    ) as profile:
        TrainingLoop(trainer, [profile], 12).run()
    assert happened == [("start", 3), ("stop", 7)]


def test_a_profile_ends_with_its_run():
    happened = []
    with Profile(
        lambda: happened.append("start"), lambda: happened.append("stop"), begin=3, steps=40
    ) as profile:
        TrainingLoop(Counting(), [profile], 6).run()
    assert happened == ["start", "stop"]
