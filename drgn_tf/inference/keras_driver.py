"""Runs `.keras` files."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from drgn_tf.inference.driver import Driver
from drgn_tf.models import DRGN


class KerasDriver(Driver):
    """Runs a DRGN in memory.

    Args:
      model: the network.
      path: where it came from.
    """

    kind = "keras"
    size = None
    outputs = ("degradation", "base", "enhanced")

    def __init__(self, model: DRGN, path: pathlib.Path):
        self.path = path
        self.model = model
        self.thumbnail_size = model.options.thumbnail_size
        image = tf.TensorSpec([None, None, None, 3], tf.float32)
        thumbnail = tf.TensorSpec([None, self.thumbnail_size, self.thumbnail_size, 3], tf.float32)
        self._whole = tf.function(
            lambda images: model(images), input_signature=[image], autograph=False
        )
        self._tile = tf.function(
            lambda images, thumbnails: model(images, thumbnails),
            input_signature=[image, thumbnail],
            autograph=False,
        )

    def run(
        self, images: np.ndarray, thumbnails: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`."""
        if thumbnails is None:
            results = self._whole(tf.constant(images))
        else:
            results = self._tile(tf.constant(images), tf.constant(thumbnails))
        return {name: result.numpy() for name, result in results.items()}
