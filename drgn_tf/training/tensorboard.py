"""The logs of a run for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from drgn_tf.training.run_folder import RunFolder


class TensorBoard:
    """Writes to `tensorboard/` in the folder of a run.

    Args:
      folder: of the run.
    """

    def __init__(self, folder: RunFolder):
        self._writer = tf.summary.create_file_writer(str(folder.file("tensorboard")))

    def scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Writes scalars under the name of a group."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(f"{group}/{name}", value)

    def pictures(self, step: int, pictures: Sequence[np.ndarray]) -> None:
        """Writes the pictures of a validation."""
        with self._writer.as_default(step=step):
            for index, picture in enumerate(pictures):
                tf.summary.image(
                    f"low, degradation, base, enhanced, reference/{index}", picture[np.newaxis]
                )
        self._writer.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
