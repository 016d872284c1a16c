"""Training with TensorFlow: one device, several, or several machines."""

from drgn_tf.training.tensorflow.backend import TensorFlowBackend
from drgn_tf.training.tensorflow.strategy import make_strategy

__all__ = ["TensorFlowBackend", "make_strategy"]
