"""The loop of a run: calls into a trainer, and what is done between them.

The loop is given both and knows neither networks nor devices nor files: a `Trainer` makes the
steps, and after each call each `Action` (`drgn_tf.training.actions`) sees where the run stands,
in the order in which they are listed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from drgn_tf.training.trainer import Scalars, Trainer
from drgn_tf.training.validation import Validation


@dataclasses.dataclass
class Progress:
    """Where a run stands after a call. Actions add what they found, for those behind them.

    Attributes:
      step: steps done.
      steps: of the whole run.
      scalars: of the steps of this call, [count] each.
      leaving: whether the run is left after this step, before its end.
      validation: made after this step, if there was one.
      best: whether it is the best so far.
    """

    step: int
    steps: int
    scalars: Scalars
    leaving: bool = False
    validation: Validation | None = None
    best: bool = False

    @property
    def last(self) -> bool:
        """Whether all steps are done."""
        return self.step == self.steps


@dataclasses.dataclass(frozen=True)
class Every:
    """After every so many steps, and after the last.

    Attributes:
      intervals: in steps; several count each.
    """

    intervals: tuple[int, ...]

    def next_step(self, step: int) -> int:
        """Returns the next step beyond this one at which it is time."""
        return min((step // interval + 1) * interval for interval in self.intervals)

    def is_due(self, progress: Progress) -> bool:
        """Whether it is time."""
        return progress.last or any(progress.step % interval == 0 for interval in self.intervals)


class Action(Protocol):
    """Something that is done between steps. Making one writes no files."""

    def next_step(self, step: int) -> int | None:
        """Returns the next step beyond this one after which a call has to end for it, if any."""

    def __call__(self, progress: Progress) -> None:
        """Is called after each call into the trainer."""


class TrainingLoop:
    """Makes the steps of a run that are left.

    Args:
      trainer: makes the steps; knows how many are done.
      actions: done after each call, in this order.
      steps: of the whole run.
      stop_requested: whether this process was asked to stop.
    """

    def __init__(
        self,
        trainer: Trainer,
        actions: Sequence[Action],
        steps: int,
        stop_requested: Callable[[], bool] = lambda: False,
    ):
        self._trainer = trainer
        self._actions = actions
        self._steps = steps
        self._stop_requested = stop_requested

    def run(self) -> None:
        """Trains to the last step, or until an action raises."""
        while (step := self._trainer.step) < self._steps:
            ends = [action.next_step(step) for action in self._actions]
            end = min([self._steps, *(end for end in ends if end is not None)])
            scalars, leave = self._trainer.train_steps(end - step, self._stop_requested())
            step = self._trainer.step
            progress = Progress(step, self._steps, scalars, leave and step < self._steps)
            for action in self._actions:
                action(progress)
