"""Training on Keras' JAX backend, for machines without TensorFlow.

Networks, losses, photos, options, the loop and the folder of a run are those of
`drgn_tf.training`; what is here are the pieces it has in TensorFlow: samples, made on
the device that trains, the step, and checkpoints.
"""

from drgn_tf.jax_training.loop import UnsupportedError, check_options, run

__all__ = ["UnsupportedError", "check_options", "run"]
