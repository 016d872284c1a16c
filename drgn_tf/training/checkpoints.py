"""Checkpoints of one run, in a form that any number of devices can go on from."""

from __future__ import annotations

import pathlib
import tempfile

import tensorflow as tf

from drgn_tf.training.run_folder import RunFolderError


class Checkpoints:
    """Saves and restores everything a run needs to go on.

    TensorFlow writes each checkpoint beside and renames it, and the index file names
    only finished ones: a process may be killed at any moment.

    Args:
      folder: shared by all workers; each one reads it.
      keep: how many checkpoints stay.
      chief: whether this process writes there. In a multi-worker run every worker has
        to take part in saving; the others write to a folder that is thrown away.
      **parts: what is saved, see `tf.train.Checkpoint`.
    """

    def __init__(self, folder: pathlib.Path, keep: int, chief: bool, **parts):
        self._folder = folder
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._thrown_away = None if chief else tempfile.TemporaryDirectory()
        directory = str(folder) if chief else self._thrown_away.name
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, directory, max_to_keep=keep, checkpoint_name="step"
        )

    def restore(self) -> bool:
        """Restores the latest checkpoint; returns whether there was one.

        Raises:
          RunFolderError: it is damaged or belongs to other networks.
        """
        latest = tf.train.latest_checkpoint(str(self._folder))
        if latest is None:
            return False
        try:
            self._checkpoint.restore(latest).assert_consumed()
        except (AssertionError, IndexError, ValueError, tf.errors.OpError) as error:
            raise RunFolderError(
                f"{latest}: cannot be restored ({str(error).splitlines()[0]}); remove it to "
                "go on from the one before, or choose another --run_dir."
            ) from error
        return True

    def save(self, step: int) -> None:
        """Saves a checkpoint.

        Raises:
          RunFolderError: the disk is full or was taken away; earlier ones stay.
        """
        try:
            self._manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            raise RunFolderError(
                f"{self._folder}: a checkpoint cannot be written "
                f"({str(error).splitlines()[0]}); make room and give the same command again."
            ) from error
