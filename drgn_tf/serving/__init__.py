"""A client of model servers that speak TF Serving's REST or gRPC interface; needs no TensorFlow."""

from drgn_tf.serving.client import Client, Enhanced, Retries
from drgn_tf.serving.driver import ServerDriver
from drgn_tf.serving.transport import ServerError

__all__ = ["Client", "Enhanced", "Retries", "ServerDriver", "ServerError"]
