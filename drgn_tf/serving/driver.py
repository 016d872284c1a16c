"""A network on a server as a driver: what runs local files runs it too, tiles included."""

from __future__ import annotations

import pathlib

import numpy as np

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.inference import Driver
from drgn_tf.serving.client import Client
from drgn_tf.serving.transport import ServerError


class ServerDriver(Driver):
    """Runs the float signatures of a model on a server, a request for each tile.

    Of the images of the network only "enhanced" is fetched.

    Args:
      client: for the model.

    Raises:
      ServerError: the server does not answer, or its model is none of this project's.

    Example:
      with Client("grpc://localhost:8500") as client:
        enhanced = Enhancer(ServerDriver(client), client.tiling)(photo, exposure=0.5)
    """

    kind = "server"
    size = None
    outputs = ("enhanced",)

    def __init__(self, client: Client):
        self._client = client
        # For messages.
        self.path = pathlib.Path(client.place)
        shapes = client.input_shapes()
        self.takes_brightness = "float_tiled_with_brightness" in shapes
        suffix = "_with_brightness" if self.takes_brightness else ""
        self._whole, self._tiled = f"float_whole{suffix}", f"float_tiled{suffix}"
        try:
            self.thumbnail_size = int(shapes[self._tiled]["thumbnail"][1])
        except KeyError as error:
            raise ServerError(
                f"{client.place}: has no signature float_tiled with a thumbnail; serve a model "
                "that drgn-export made.",
                "FAILED_PRECONDITION",
            ) from error

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`; raises ServerError."""
        inputs = {"image": np.asarray(images, np.float32)}
        outputs = ["enhanced"]
        if thumbnails is not None:
            inputs["thumbnail"] = np.asarray(thumbnails, np.float32)
        if self.takes_brightness:
            asked = np.full((len(images), 1), AUTOMATIC) if brightness is None else brightness
            inputs["brightness"] = np.asarray(asked, np.float32)
            outputs.append("brightness")
        signature = self._whole if thumbnails is None else self._tiled
        return self._client.predict(signature, inputs, outputs)
