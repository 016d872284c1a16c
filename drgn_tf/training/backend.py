"""What computes a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from drgn_tf.data import TrainingData
from drgn_tf.models import DRGN
from drgn_tf.training.options import RunOptions
from drgn_tf.training.trainer import Trainer


class Backend(Protocol):
    """A framework and its devices, as `drgn_tf.training.train` uses them.

    `TensorFlowBackend` and `JaxBackend` are the two.
    """

    @property
    def devices(self) -> str:
        """What is computed on, for people."""

    @property
    def chief(self) -> bool:
        """Whether this process writes the files of the run, and talks."""

    def check_options(self, options: RunOptions) -> None:
        """Raises UserError if the options ask for what this framework does not have."""

    def check_memory(self, options: RunOptions) -> None:
        """Raises UserError if a step would not fit into memory, as far as that can be told."""

    def make_trainer(self, options: RunOptions, data: TrainingData) -> Trainer:
        """Returns a trainer at step 0.

        Raises:
          ModelFileError: the weights to start from do not fit.
          UserError: a photo is too small, or the batch does not divide among the devices.
        """

    def compiled(self, model: DRGN) -> Callable[[Any, Any], dict[str, Any]]:
        """Returns what runs a network on photos of any size, see `Validator`."""

    def agree(self, text: str) -> bool:
        """Whether all workers say the same, each of which must ask."""

    def start_profile(self, folder: str) -> None:
        """Begins to write a TensorBoard profile."""

    def stop_profile(self) -> None:
        """Ends what `start_profile` began."""

    def user_errors(self, options: RunOptions) -> AbstractContextManager[None]:
        """Turns errors of the framework that a person can mend into UserError."""
