"""Training with JAX, for machines without TensorFlow: all devices of one machine."""

from drgn_tf.training.jax.backend import JaxBackend

__all__ = ["JaxBackend"]
