"""What a run needs of the framework that makes its steps."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, Protocol

from drgn_tf.models import DRGN

# By name, one value a step: arrays of the framework, perhaps still being computed.
Scalars = Mapping[str, Any]


class Trainer(Protocol):
    """Networks, optimizers, averaged weights, samples and the step that improves them.

    `drgn_tf.training.tensorflow` and `drgn_tf.training.jax` each have one.
    """

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def scalar_names(self) -> list[str]:
        """What `train_steps` may report."""

    @property
    def learning_rate(self) -> float:
        """The generators' rate at the next step."""

    def train_steps(self, count: int, stop: bool) -> tuple[Scalars, bool]:
        """Makes steps in one call, which `step` then counts.

        Args:
          count: at most; at least one is made.
          stop: whether this process was asked to stop.

        Returns:
          Scalars over the whole batch: "loss", the weighted terms, "psnr" in dB,
          "gradient_norm"; and whether all workers are to leave after these steps, because one
          of them was asked to.
        """

    def averaged_model(self) -> DRGN:
        """Returns a network of its own, for `load_averages`."""

    def load_averages(self, model: DRGN) -> None:
        """Copies the averaged weights into a network."""

    @property
    def state_bytes(self) -> int:
        """About how large the files of `save_state` are."""

    @property
    def state_suffix(self) -> str:
        """Ending of that file of `save_state` without which the others are nothing."""

    def save_state(self, path: pathlib.Path) -> None:
        """Writes everything a run needs to go on.

        Args:
          path: how the names of the files begin; an ending is added.

        Raises:
          OSError: they cannot be written.
        """

    def load_state(self, path: pathlib.Path) -> None:
        """Goes on from what `save_state` wrote.

        Raises:
          OSError: the files cannot be read.
          ValueError: they are damaged, or of other networks.
        """
