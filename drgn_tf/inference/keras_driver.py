"""Runs `.keras` files."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.inference.driver import Driver
from drgn_tf.models import DRGN


class KerasDriver(Driver):
    """Runs a DRGN in memory.

    Args:
      model: the network.
      path: of its file.
    """

    kind = "keras"
    size = None
    outputs = ("degradation", "base", "enhanced")

    def __init__(self, model: DRGN, path: pathlib.Path):
        self.path = path
        self.model = model
        self.thumbnail_size = model.options.thumbnail_size
        self.takes_brightness = told = model.options.brightness
        image = tf.TensorSpec([None, None, None, 3], tf.float32)
        thumbnail = tf.TensorSpec([None, self.thumbnail_size, self.thumbnail_size, 3], tf.float32)
        brightness = tf.TensorSpec([None, 1], tf.float32)
        self._whole = tf.function(
            lambda images, wanted: model(images, brightness=wanted if told else None),
            input_signature=[image, brightness],
            autograph=False,
        )
        self._tile = tf.function(
            lambda images, thumbnails, wanted: model(images, thumbnails, wanted if told else None),
            input_signature=[image, thumbnail, brightness],
            autograph=False,
        )

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`."""
        wanted = tf.fill([len(images), 1], AUTOMATIC) if brightness is None else brightness
        if thumbnails is None:
            results = self._whole(tf.constant(images), wanted)
        else:
            results = self._tile(tf.constant(images), tf.constant(thumbnails), wanted)
        return {name: result.numpy() for name, result in results.items()}
