"""Checkpoints of one run: all arrays of its state in one .npz file."""

from __future__ import annotations

import pathlib
import zipfile

import numpy as np

from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path, first_line
from drgn_tf.jax_training.trainer import Trainer
from drgn_tf.training.run_folder import RunFolderError


class Checkpoints:
    """Saves and restores the state of a run.

    Args:
      folder: where they are.
      keep: how many stay.
      trainer: has the state.
    """

    def __init__(self, folder: pathlib.Path, keep: int, trainer: Trainer):
        self._folder = folder
        self._keep = keep
        self._trainer = trainer

    def _saved(self) -> list[int]:
        """Returns the steps of all checkpoints, the latest last."""
        names = [path.stem.removeprefix("step-") for path in self._folder.glob("step-*.npz")]
        return sorted(int(name) for name in names if name.isdigit())

    def _path(self, step: int) -> pathlib.Path:
        return self._folder / f"step-{step}.npz"

    def restore(self) -> None:
        """Gives the trainer the latest state, if there is one.

        Raises:
          RunFolderError: it is damaged or belongs to other networks.
        """
        saved = self._saved()
        if not saved:
            return
        path = self._path(saved[-1])
        try:
            with np.load(path, allow_pickle=False) as file:
                self._trainer.restore(
                    {
                        name: [file[f"{name}/{index}"] for index in range(len(arrays))]
                        for name, arrays in self._trainer.state.items()
                    }
                )
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise RunFolderError(
                f"{path}: cannot be restored ({first_line(error)}); remove it to go on from the "
                "checkpoint before, or choose another --run_dir."
            ) from error

    def save(self, step: int) -> None:
        """Saves a checkpoint, then removes the oldest.

        Raises:
          RunFolderError: the disk is full or was taken away; earlier ones stay.
        """
        arrays = {
            f"{name}/{index}": np.asarray(array)
            for name, parts in self._trainer.state.items()
            for index, array in enumerate(parts)
        }
        try:
            self._folder.mkdir(exist_ok=True)
            with atomic_path(self._path(step)) as beside:
                np.savez(beside, **arrays)
        except (OSError, UserError) as error:
            raise RunFolderError(
                f"{self._folder}: a checkpoint cannot be written ({first_line(error)}); make room "
                "and give the same command again."
            ) from error
        for old in self._saved()[: -self._keep]:
            self._path(old).unlink()
