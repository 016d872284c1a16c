"""DRGN, the Degradation-to-Refinement network for low-light photos.

Importing the package registers its networks with Keras, so that
`keras.models.load_model` opens a trained `.keras` file.
"""

from drgn_tf.models import DRGN, PRESETS, ModelOptions, preset
from drgn_tf.version import __version__

__all__ = ["DRGN", "PRESETS", "ModelOptions", "__version__", "preset"]
