"""DRGN, the Degradation-to-Refinement network for low-light photos.

Importing the package registers its networks with Keras, so that
`keras.models.load_model` opens a trained `.keras` file.
"""

from drgn_tf.models import DRGN, PRESETS, ModelOptions, preset

__version__ = "0.1.0"

__all__ = ["DRGN", "PRESETS", "ModelOptions", "preset"]
