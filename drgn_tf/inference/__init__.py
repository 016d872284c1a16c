"""Runs trained networks and exported artefacts on photos of any size."""

from drgn_tf.files import ModelFileError
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.enhancer import Enhancer
from drgn_tf.inference.loading import load_driver
from drgn_tf.inference.thumbnail import photo_thumbnail
from drgn_tf.inference.tiling import Tiling

__all__ = ["Driver", "Enhancer", "ModelFileError", "Tiling", "load_driver", "photo_thumbnail"]
