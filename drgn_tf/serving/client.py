"""Enhances photos on a model server.

    client = Client("grpc://localhost:8500")        # or "http://localhost:8501"
    (result,) = client.enhance([photo])             # bytes of a file in, bytes of a file out
    (brighter,) = client.enhance([photo], exposure=0.5)

Photos larger than the server takes, and arrays, go in tiles (`ServerDriver`):

    enhance = Enhancer(ServerDriver(client), client.tiling)
    enhanced = enhance(pixels)
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
import types
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from drgn_tf.brightness import AUTOMATIC, expose
from drgn_tf.inference import Tiling
from drgn_tf.serving.rest import RestTransport
from drgn_tf.serving.transport import ServerError, Transport

_Result = TypeVar("_Result")

_SUFFIX = "_with_brightness"
# What the graph says of a file it refuses. The rest of its message names nodes.
_REFUSED = re.compile(r"File \d+ of \d+ [^\]]*[^\] ]")
# Seconds between two questions whether a model is available.
_POLL = 0.5


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often a request is repeated that failed only for the moment.

    Repeated are requests to a server that is not there, or says that it is unavailable or asked too
    often (gRPC UNAVAILABLE; HTTP 429, 502, 503). Requests change nothing on the server, so that a
    second time does no harm. What was refused, took too long or failed is not repeated.

    Attributes:
      attempts: at the most, with the first.
      first: seconds of the longest wait before the second attempt; each later one is twice as long.
        The actual wait is random, from 0 to that, so that clients do not come back together.
      longest: seconds of the longest wait.
    """

    attempts: int = 5
    first: float = 0.2
    longest: float = 5.0

    def wait(self, attempt: int) -> float:
        """Returns the seconds to wait after an attempt, counted from 0."""
        return random.uniform(0.0, min(self.longest, self.first * 2.0**attempt))


@dataclasses.dataclass(frozen=True)
class Enhanced:
    """An enhanced photo.

    Attributes:
      file: PNG, or JPEG if the model was exported so.
      brightness: mean luma aimed at, None if none was asked for.
    """

    file: bytes
    brightness: float | None = None


class Client:
    """A model on a server that speaks TF Serving's interface. Threads may share it.

    Args:
      server: "grpc://host:8500", "grpcs://" with TLS, "http://host:8501" or "https://". gRPC needs
        grpcio and protobuf, pip install 'drgn-tf[serving]'.
      model: its name there.
      version: a number, a label, or None for the newest version.
      timeout: seconds that a call may take, with all attempts and waits. By REST the last attempt
        may be late: connecting, sending and receiving have as long each.
      retries: how often, and when, a request is repeated.
      headers: sent with each request, such as {"Authorization": "Bearer ..."}.
      largest_message: bytes of the longest request and reply, with gRPC.

    Attributes:
      tiling: how large photos are best cut for this server.

    Raises:
      ServerError: `server` is no such address.
    """

    def __init__(
        self,
        server: str,
        model: str = "drgn",
        *,
        version: int | str | None = None,
        timeout: float = 60.0,
        retries: Retries = Retries(),
        headers: Mapping[str, str] | None = None,
        largest_message: int = 256 * 2**20,
    ):
        parts = urllib.parse.urlsplit(server)
        headers = headers or {}
        self._transport: Transport
        if parts.scheme in ("http", "https") and parts.netloc:
            self._transport = RestTransport(server, model, version, headers)
        elif parts.scheme in ("grpc", "grpcs") and parts.netloc:
            # Imported when needed: REST needs no packages.
            from drgn_tf.serving.rpc import GrpcTransport

            self._transport = GrpcTransport(
                parts.netloc, parts.scheme == "grpcs", model, version, headers, largest_message
            )
        else:
            raise ServerError(
                f"{server}: is no address of a server; give one like grpc://localhost:8500 or "
                "http://localhost:8501.",
                "INVALID_ARGUMENT",
            )
        self.place = self._transport.place
        self.tiling = Tiling(tile=self._transport.tile)
        self.timeout = timeout
        self.retries = retries

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    def enhance(
        self, files: Sequence[bytes], exposure: float = 0.0, brightness: float | None = None
    ) -> list[Enhanced]:
        """Enhances photos, whole, in one request.

        Args:
          files: JPEG, PNG, WebP, BMP or GIF files; sizes may differ.
          exposure: stops (EV) by which each should be brighter, or darker if negative, than
            `brightness`.
          brightness: mean luma that each should have, 0 for automatic. By default the network
            decides, and does not say; an exposure then takes a request more, which asks it. A
            slider gives 0 once, and then what it makes of the brightness that it was told.

        Raises:
          ServerError: of code INVALID_ARGUMENT for a file that cannot be taken, which the message
            names by its place, "File 2 of 3"; none of the others is enhanced then.
        """
        if brightness is None and not exposure:
            return self._enhance(files, None)
        wanted: Sequence[float] = [AUTOMATIC if brightness is None else brightness] * len(files)
        if exposure:
            if not brightness:
                wanted = [result.brightness or 0.0 for result in self._enhance(files, wanted)]
            wanted = [expose(value, exposure) for value in wanted]
        return self._enhance(files, wanted)

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Runs any signature.

        Args:
          signature: its name.
          inputs: arrays by name: float32, uint8, or bytes objects.
          outputs: names of the outputs that are wanted.

        Returns:
          The outputs by name: float32, or an array of bytes objects; with gRPC also uint8.

        Raises:
          ServerError: there is no such answer.
        """
        return self._retried(
            lambda timeout: self._transport.predict(signature, inputs, outputs, timeout)
        )

    def input_shapes(self) -> dict[str, dict[str, Sequence[int]]]:
        """Returns the shape of each input of each signature, -1 where any length is taken.

        Raises:
          ServerError: there is no answer, or no version that is available.
        """
        return self._retried(self._transport.input_shapes)

    def states(self) -> dict[int, str]:
        """Returns the state of each version: START, LOADING, AVAILABLE, UNLOADING or END.

        Raises:
          ServerError: there is no answer, or the server does not know the model.
        """
        return self._retried(self._transport.states)

    def wait_until_available(self, seconds: float) -> None:
        """Waits until a version takes requests.

        Raises:
          ServerError: none does after so many seconds; the message says what was the last answer.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                states = self._transport.states(min(self.timeout, max(seconds, _POLL)))
                if "AVAILABLE" in states.values():
                    return
                last = ", ".join(f"version {key} is {value}" for key, value in states.items())
            except ServerError as error:
                if error.code not in ("UNAVAILABLE", "NOT_FOUND", "DEADLINE_EXCEEDED"):
                    raise
                last = str(error).removeprefix(f"{self.place}: ")
            if time.monotonic() + _POLL > deadline:
                raise ServerError(
                    f"{self.place}: not available after {seconds:g} seconds: {last}",
                    "DEADLINE_EXCEEDED",
                )
            time.sleep(_POLL)

    def _enhance(self, files: Sequence[bytes], wanted: Sequence[float] | None) -> list[Enhanced]:
        try:
            return self._asked(files, wanted)
        except ServerError as error:
            if error.code != "INVALID_ARGUMENT":
                raise
            if refused := _REFUSED.search(str(error)):
                said = refused[0]
            elif len(files) == 1:
                said = f"File 1 of 1 cannot be decoded ({_first_line(error, self.place)})"
            else:
                # The decoder found it, and named a node of the graph.
                said = self._first_damaged(files, wanted) or _first_line(error, self.place)
            raise ServerError(f"{self.place}: {said}", error.code) from error

    def _first_damaged(self, files: Sequence[bytes], wanted: Sequence[float] | None) -> str:
        for number, file in enumerate(files):
            try:
                self._asked([file], wanted and wanted[number : number + 1])
            except ServerError as error:
                if error.code != "INVALID_ARGUMENT":
                    raise
                line = _first_line(error, self.place)
                return f"File {number + 1} of {len(files)} cannot be decoded ({line})"
        return ""

    def _asked(self, files: Sequence[bytes], wanted: Sequence[float] | None) -> list[Enhanced]:
        # Through a list with an end of its own: numpy makes texts of nothing but bytes, and drops
        # zeros at their ends.
        inputs = {"image_bytes": np.array([*files, None], object)[:-1]}
        if wanted is None:
            results = self.predict("image_bytes", inputs, ["enhanced_bytes"])
            return [Enhanced(file) for file in results["enhanced_bytes"]]
        inputs["brightness"] = np.array(wanted, np.float32)[:, np.newaxis]
        results = self.predict(f"image_bytes{_SUFFIX}", inputs, ["enhanced_bytes", "brightness"])
        return [
            Enhanced(file, float(aimed[0]))
            for file, aimed in zip(results["enhanced_bytes"], results["brightness"])
        ]

    def _retried(self, ask: Callable[[float], _Result]) -> _Result:
        deadline = time.monotonic() + self.timeout
        attempt = 0
        while True:
            try:
                return ask(max(deadline - time.monotonic(), 1e-3))
            except ServerError as error:
                wait = self.retries.wait(attempt)
                attempt += 1
                late = time.monotonic() + wait >= deadline
                if not error.retryable or attempt >= self.retries.attempts or late:
                    raise
            time.sleep(wait)


def _first_line(error: ServerError, place: str) -> str:
    return str(error).removeprefix(f"{place}: ").strip().partition("\n")[0].rstrip(" .")
