"""Checkpoints of one run, in a form that any number of devices can go on from."""

from __future__ import annotations

import os
import pathlib
import tempfile

from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path, first_line, make_folder, partial_folder
from drgn_tf.training.trainer import Trainer

_PREFIX = "step-"


class Checkpoints:
    """Saves and restores everything a run needs to go on.

    A checkpoint is one file, or several, `step-N.<ending>`. They are written beside and renamed,
    the one that `Trainer.state_suffix` names last: a checkpoint that has it is whole, whenever the
    process is killed, and nothing else is needed to find it.

    Args:
      folder: shared by all workers; each one reads it.
      keep: how many checkpoints stay.
      trainer: what is saved.
      chief: whether this process writes there. In a multi-worker run every worker has
        to take part in saving; the others write to a folder that is thrown away.
    """

    def __init__(self, folder: pathlib.Path, keep: int, trainer: Trainer, chief: bool = True):
        self._folder = folder
        self._keep = keep
        self._trainer = trainer
        self._chief = chief

    def _saved(self) -> list[int]:
        """Returns the steps of all whole checkpoints, the latest last."""
        found = self._folder.glob(f"{_PREFIX}*{self._trainer.state_suffix}")
        return sorted(
            int(number) for path in found if (number := path.stem[len(_PREFIX) :]).isdigit()
        )

    def restore(self) -> None:
        """Gives the trainer the latest checkpoint, if there is one.

        Raises:
          UserError: it is damaged or belongs to other networks.
        """
        saved = self._saved()
        if not saved:
            return
        latest = self._folder / f"{_PREFIX}{saved[-1]}"
        try:
            self._trainer.load_state(latest)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{latest}: cannot be restored ({first_line(error)}); remove {latest.name}.* to go "
                "on from the checkpoint before, or choose another --run_dir."
            ) from error

    def save(self, step: int) -> None:
        """Saves a checkpoint, then removes the oldest.

        Raises:
          UserError: the disk is full or was taken away; earlier ones stay.
        """
        try:
            make_folder(self._folder)
            parent = self._folder if self._chief else pathlib.Path(tempfile.gettempdir())
            with partial_folder(parent) as beside:
                self._trainer.save_state(beside / f"{_PREFIX}{step}")
                if self._chief:
                    self._publish(beside)
        except (OSError, UserError) as error:
            raise UserError(
                f"{self._folder}: a checkpoint cannot be written ({first_line(error)}); make room "
                "and give the same command again."
            ) from error
        if self._chief:
            for old in self._saved()[: -self._keep]:
                for path in reversed(self._in_order(self._folder, f"{_PREFIX}{old}.*")):
                    path.unlink()

    def _publish(self, beside: pathlib.Path) -> None:
        for path in self._in_order(beside, f"{_PREFIX}*"):
            with atomic_path(self._folder / path.name) as written:
                os.replace(path, written)

    def _in_order(self, folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
        """Returns the files of a checkpoint, last the one without which it is none."""
        suffix = self._trainer.state_suffix
        return sorted(folder.glob(pattern), key=lambda path: (path.suffix == suffix, path.name))
