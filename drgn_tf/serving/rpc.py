"""TF Serving's gRPC interface, on grpcio and messages of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from drgn_tf.serving import messages
from drgn_tf.serving.transport import ServerError, Transport

_Result = TypeVar("_Result")

_RETRYABLE = (grpc.StatusCode.UNAVAILABLE,)


class GrpcTransport(Transport):
    """GRPC: files and arrays travel as they are.

    Args:
      address: of the server, such as "localhost:8500".
      secure: whether to use TLS, with the certificates that gRPC trusts.
      model: its name there.
      version: a number, a label, or None for the newest.
      headers: sent with each request.
      largest_message: bytes of the longest request and reply.
    """

    tile = 1024

    def __init__(
        self,
        address: str,
        secure: bool,
        model: str,
        version: int | str | None,
        headers: Mapping[str, str],
        largest_message: int,
    ):
        options = [
            ("grpc.max_send_message_length", largest_message),
            ("grpc.max_receive_message_length", largest_message),
            # Each address of a name in turn, as of the pods of a service.
            ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
            # How often is for `Retries` to say.
            ("grpc.enable_retries", 0),
            # After a failure a channel waits up to two minutes before it tries to connect again.
            ("grpc.initial_reconnect_backoff_ms", 500),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if secure:
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._model, self._version = model, version
        self._headers = tuple((name.lower(), value) for name, value in headers.items())
        self.place = f"{address}/{model}"
        prediction, model_service = (
            f"/tensorflow.serving.{name}" for name in ("PredictionService", "ModelService")
        )
        self._predict = self._method(f"{prediction}/Predict", messages.PredictResponse)
        self._metadata = self._method(f"{prediction}/GetModelMetadata", messages.MetadataResponse)
        self._status = self._method(f"{model_service}/GetModelStatus", messages.StatusResponse)

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """See `Transport.predict`."""
        request = self._request(messages.PredictRequest, signature)
        messages.fill_inputs(request, inputs)
        request.output_filter.extend(outputs)

        def read(reply: Any) -> dict[str, np.ndarray]:
            tensors = {entry.key: entry.value for entry in reply.outputs}
            return {name: messages.to_array(tensors[name]) for name in outputs}

        return self._ask(self._predict, request, read, timeout)

    def states(self, timeout: float) -> dict[int, str]:
        """See `Transport.states`."""

        def read(reply: Any) -> dict[int, str]:
            return {
                version.version: messages.STATES.get(version.state, "UNKNOWN")
                for version in reply.model_version_status
            }

        return self._ask(self._status, self._request(messages.StatusRequest), read, timeout)

    def input_shapes(self, timeout: float) -> dict[str, dict[str, Sequence[int]]]:
        """See `Transport.input_shapes`."""
        request = self._request(messages.MetadataRequest)
        request.metadata_field.append("signature_def")

        def read(reply: Any) -> dict[str, dict[str, Sequence[int]]]:
            return messages.input_shapes(reply.metadata[0].value.value)

        return self._ask(self._metadata, request, read, timeout)

    def close(self) -> None:
        """See `Transport.close`."""
        self._channel.close()

    def _method(self, path: str, reply: Any) -> Any:
        return self._channel.unary_unary(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=reply.FromString,
        )

    def _request(self, kind: Any, signature: str = "") -> Any:
        request = kind()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        if isinstance(self._version, int):
            request.model_spec.version.value = self._version
        elif self._version is not None:
            request.model_spec.version_label = self._version
        return request

    def _ask(
        self, method: Any, request: Any, read: Callable[[Any], _Result], timeout: float
    ) -> _Result:
        try:
            return read(method(request, timeout=timeout, metadata=self._headers))
        except grpc.RpcError as error:
            code, said = error.code(), error.details()
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                said = f"no answer within {timeout:.3g} seconds."
            raise ServerError(f"{self.place}: {said}", code.name, code in _RETRYABLE) from error
        except (ValueError, LookupError, DecodeError) as error:
            raise self.strange() from error
