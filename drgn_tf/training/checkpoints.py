"""Checkpoints of one run, in a form that any number of devices can go on from."""

from __future__ import annotations

import os
import pathlib
import tempfile

import tensorflow as tf

from drgn_tf.training.run_folder import RunFolderError

_PREFIX = "step-"


class Checkpoints:
    """Saves and restores everything a run needs to go on.

    A checkpoint is two files, `step-N.data-...` and `step-N.index`. Both are written
    beside and renamed, the index last: one that has both is whole, whenever the process
    is killed, and nothing else is needed to find it.

    Args:
      folder: shared by all workers; each one reads it.
      keep: how many checkpoints stay.
      chief: whether this process writes there. In a multi-worker run every worker has
        to take part in saving; the others write to a folder that is thrown away.
      **parts: what is saved, see `tf.train.Checkpoint`.
    """

    def __init__(self, folder: pathlib.Path, keep: int, chief: bool, **parts):
        self._folder = folder
        self._keep = keep
        self._chief = chief
        self._checkpoint = tf.train.Checkpoint(**parts)

    def _saved(self) -> list[int]:
        """Returns the steps of all whole checkpoints, the latest last."""
        return sorted(
            int(path.stem.removeprefix(_PREFIX))
            for path in self._folder.glob(f"{_PREFIX}*.index")
            if any(self._folder.glob(f"{path.stem}.data-*"))
        )

    def restore(self) -> bool:
        """Restores the latest checkpoint; returns whether there was one.

        Raises:
          RunFolderError: it is damaged or belongs to other networks.
        """
        saved = self._saved()
        if not saved:
            return False
        latest = self._folder / f"{_PREFIX}{saved[-1]}"
        try:
            self._checkpoint.read(str(latest)).assert_consumed()
        except (AssertionError, IndexError, ValueError, tf.errors.OpError) as error:
            raise RunFolderError(
                f"{latest}: cannot be restored ({str(error).splitlines()[0]}); remove "
                f"{latest.name}.* to go on from the checkpoint before, or choose another --run_dir."
            ) from error
        return True

    def save(self, step: int) -> None:
        """Saves a checkpoint, then removes the oldest.

        Raises:
          RunFolderError: the disk is full or was taken away; earlier ones stay.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            parent = self._folder if self._chief else None
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=parent) as beside:
                self._checkpoint.write(os.path.join(beside, f"{_PREFIX}{step}"))
                if self._chief:
                    # In order of their names: data, then index.
                    for path in sorted(pathlib.Path(beside).glob(f"{_PREFIX}*")):
                        os.replace(path, self._folder / path.name)
        except (OSError, tf.errors.OpError) as error:
            raise RunFolderError(
                f"{self._folder}: a checkpoint cannot be written "
                f"({str(error).splitlines()[0]}); make room and give the same command again."
            ) from error
        if self._chief:
            for old in self._saved()[: -self._keep]:
                # The index first: without it the rest is no checkpoint.
                for path in sorted(self._folder.glob(f"{_PREFIX}{old}.*"), reverse=True):
                    path.unlink()
