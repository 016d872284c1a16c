"""TF Serving's REST interface, with the standard library alone."""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from drgn_tf.serving.transport import ServerError, Transport

_Result = TypeVar("_Result")

# gRPC's names of what HTTP's numbers mean. 502 is what a proxy says in front of no server.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRYABLE = (429, 502, 503)
# More than float32 tells apart in [0, 1], and half as long as what Python writes of it.
_DECIMALS = 8


class RestTransport(Transport):
    """REST. Files travel in base64, arrays as text: several times their size.

    Args:
      url: of the server, such as "http://localhost:8501".
      model: its name there.
      version: a number, a label, or None for the newest.
      headers: sent with each request.
    """

    # Text of larger tiles takes long to write and read, and much memory.
    tile = 512

    def __init__(self, url: str, model: str, version: int | str | None, headers: Mapping[str, str]):
        kind = "versions" if isinstance(version, int) else "labels"
        chosen = "" if version is None else f"/{kind}/{urllib.parse.quote(str(version))}"
        self._url = f"{url.rstrip('/')}/v1/models/{urllib.parse.quote(model)}{chosen}"
        self._headers = {"Content-Type": "application/json", **headers}
        self.place = f"{urllib.parse.urlsplit(url).netloc}/{model}"

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """See `Transport.predict`."""
        body = {
            "signature_name": signature,
            "inputs": {name: _listed(value) for name, value in inputs.items()},
        }

        def read(reply: Any) -> dict[str, np.ndarray]:
            values = reply["outputs"]
            # A signature's only output comes without its name.
            named = isinstance(values, dict) and "b64" not in values
            arrays = values if named else {outputs[0]: values}
            return {name: _array(arrays[name]) for name in outputs}

        return self._ask(":predict", read, timeout, json.dumps(body).encode())

    def states(self, timeout: float) -> dict[int, str]:
        """See `Transport.states`."""

        def read(reply: Any) -> dict[int, str]:
            versions = reply["model_version_status"]
            return {int(version["version"]): str(version["state"]) for version in versions}

        return self._ask("", read, timeout)

    def input_shapes(self, timeout: float) -> dict[str, dict[str, Sequence[int]]]:
        """See `Transport.input_shapes`."""

        def read(reply: Any) -> dict[str, dict[str, Sequence[int]]]:
            return {
                name: {
                    key: [int(dim["size"]) for dim in info["tensor_shape"]["dim"]]
                    for key, info in signature["inputs"].items()
                }
                for name, signature in reply["metadata"]["signature_def"]["signature_def"].items()
            }

        return self._ask("/metadata", read, timeout)

    def close(self) -> None:
        """Does nothing: each request has a connection of its own."""

    def _ask(
        self, path: str, read: Callable[[Any], _Result], timeout: float, body: bytes | None = None
    ) -> _Result:
        request = urllib.request.Request(f"{self._url}{path}", body, self._headers)
        deadline = time.monotonic() + timeout
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return read(json.loads(_body(response, deadline)))
        except urllib.error.HTTPError as error:
            said = _said(error)
            code = _CODES.get(error.code, "UNKNOWN")
            message = f"{self.place}: {said or error.reason}"
            raise ServerError(message, code, error.code in _RETRYABLE) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise ServerError(
                    f"{self.place}: no answer within {timeout:.3g} seconds.", "DEADLINE_EXCEEDED"
                ) from error
            raise ServerError(
                f"{self.place}: cannot be reached ({reason}); is the server running?",
                "UNAVAILABLE",
                retryable=True,
            ) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self.strange() from error


def _body(response: Any, deadline: float) -> bytes:
    """Returns the content of a response; urllib's timeout begins anew with each part of it."""
    parts = []
    while part := response.read1(2**20):
        parts.append(part)
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def _said(error: urllib.error.HTTPError) -> str:
    try:
        with error:
            return str(json.load(error)["error"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        # A proxy's own page, or half of an answer.
        return ""


def _listed(value: np.ndarray) -> Any:
    if value.dtype == object:
        return [{"b64": base64.b64encode(item).decode()} for item in value]
    if value.dtype == np.float32:
        return np.round(value.astype(np.float64), _DECIMALS).tolist()
    return value.tolist()


def _array(values: Any) -> np.ndarray:
    if values and isinstance(values[0], dict):
        files = [base64.b64decode(value["b64"]) for value in values]
        return np.array([*files, None], object)[:-1]
    return np.array(values, np.float32)
