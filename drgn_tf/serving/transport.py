"""How a client reaches a server: what REST and gRPC have in common."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import numpy as np

from drgn_tf.errors import UserError


class ServerError(UserError):
    """A request that a server could not be asked, refused, or failed at.

    Attributes:
      code: gRPC's name of what happened, for REST too: INVALID_ARGUMENT for a photo that cannot be
        taken, NOT_FOUND for a model that is not there, UNAVAILABLE, DEADLINE_EXCEEDED.
      retryable: whether the same request may succeed a little later.
    """

    def __init__(self, message: str, code: str, retryable: bool = False):
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Transport(abc.ABC):
    """A way to one model on one server. Threads may share it.

    Attributes:
      place: of the model, for messages: "localhost:8501/drgn".
      tile: side in pixels of the tiles in which large photos are best sent.
    """

    place: str
    tile: int

    @abc.abstractmethod
    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: its name.
          inputs: arrays by name: float32, uint8, or bytes objects.
          outputs: names of the outputs that are wanted.
          timeout: seconds.

        Returns:
          The outputs by name: float32, or an array of bytes objects.

        Raises:
          ServerError: there is no such answer.
        """

    @abc.abstractmethod
    def states(self, timeout: float) -> dict[int, str]:
        """Returns the state of each version, "AVAILABLE" if it takes requests.

        Raises:
          ServerError: there is no answer, or the server does not know the model.
        """

    @abc.abstractmethod
    def input_shapes(self, timeout: float) -> dict[str, dict[str, Sequence[int]]]:
        """Returns the shape of each input of each signature, -1 where any length is taken.

        Raises:
          ServerError: there is no answer, or no version that is available.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Closes its connections."""

    def strange(self) -> ServerError:
        """Returns the error of a reply that cannot be read."""
        return ServerError(
            f"{self.place}: answers, but not as a model server does; check the address.", "UNKNOWN"
        )
