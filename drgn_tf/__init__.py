"""DRGN, the Degradation-to-Refinement network for low-light photos.

    model = drgn_tf.load("mobile")
    enhanced = model(photo)               # numpy [H, W, 3], uint8, uint16 or float in [0, 1]
    enhanced = drgn_tf.enhance(photo)     # the same in one call

Keras and TensorFlow are imported only when needed; exported .tflite and .onnx files do not need
them. `from drgn_tf import DRGN` registers the networks, so that `keras.models.load_model` opens
a trained `.keras` file.
"""

from typing import TYPE_CHECKING

from drgn_tf.api import enhance, load
from drgn_tf.lazy import lazily
from drgn_tf.models import PRESETS, ModelOptions, preset
from drgn_tf.version import __version__

if TYPE_CHECKING:
    from drgn_tf.models import DRGN

__all__ = ["DRGN", "PRESETS", "ModelOptions", "__version__", "enhance", "load", "preset"]

# Needs Keras.
__getattr__ = lazily(__name__, {"DRGN": "models"})
