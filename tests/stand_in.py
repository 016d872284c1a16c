"""A stand-in for TensorFlow Serving, of which no binary is at hand.

It speaks TF Serving's wire format: REST on one port and gRPC on another, by the stubs of
tensorflow-serving-api. TensorFlow's C++ loader reads the SavedModel into a session, which is run by
the names that its signatures have, as in TF Serving; so messages of errors and what is left out of
the graph for fewer outputs are the same. What it does not have: batching, versions beside each
other, polling of folders, warm-up, metrics, compression, timeouts of the server's own.
"""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import http.server
import json
import pathlib
import re
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.cpp_session import CppError, CppSession

# As in tensorflow_serving/model_servers/http_server.cc.
HTTP_CODES = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<method>:predict|/metadata)?"
)


class Failure(Exception):
    """What a request ends with: gRPC's name of it, and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass
class StandIn:
    """A server of version 1 of one model, whose label is "stable".

    Attributes:
      model: its name.
      state: of the version; only "AVAILABLE" takes requests.
      failures: the next requests end with these, first to last.
      refused_every: of so many predictions one is refused as UNAVAILABLE, from the second on; 0 for
        none.
      refused: how many were.
      delay: seconds before each prediction.
      requests: signatures of all predictions, in their order.
      headers: of the last request, by lower-case name.
    """

    saved_model: pathlib.Path
    model: str = "drgn"

    def __post_init__(self):
        self._lock = threading.Lock()
        self.reset()
        self.rest = self.grpc = ""

    def reset(self):
        self.state, self.delay = "AVAILABLE", 0.0
        self.failures: list[Failure] = []
        self.refused_every = self.refused = 0
        self.requests: list[str] = []
        self.headers: dict[str, str] = {}

    def __enter__(self):
        self._session = CppSession(self.saved_model)
        self.signatures = self._session.signatures
        handler = type("Handler", (_RestHandler,), {"stand_in": self})
        self._http = _HttpServer(("localhost", 0), handler)
        threading.Thread(target=self._http.serve_forever, args=(0.05,)).start()
        self.rest = f"localhost:{self._http.server_port}"
        self._grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(8),
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        services = _GrpcServices(self)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, self._grpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, self._grpc)
        self.grpc = f"localhost:{self._grpc.add_insecure_port('localhost:0')}"
        self._grpc.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait()
        self._session.close()

    def check(self, model: str, version: int = 0, label: str = ""):
        if self.failures:
            raise self.failures.pop(0)
        known = model == self.model and version in (0, 1) and label in ("", "stable")
        if not known or self.state != "AVAILABLE":
            raise Failure("NOT_FOUND", f"Servable not found for request: Latest({model})")

    def predict(self, name: str, inputs: dict[str, np.ndarray], wanted=()) -> dict:
        signature = self.signature(name)
        if inputs.keys() != signature.inputs.keys():
            raise Failure("INVALID_ARGUMENT", "input size does not match signature")
        with self._lock:
            if self.refused_every and len(self.requests) > (self.refused + 1) * self.refused_every:
                self.refused += 1
                raise Failure("UNAVAILABLE", "The batch scheduling queue is full")
            self.requests.append(name)
        time.sleep(self.delay)
        fetches = {key: signature.outputs[key].name for key in wanted or signature.outputs}
        feeds = {signature.inputs[key].name: value for key, value in inputs.items()}
        try:
            return self._session.run(fetches, feeds)
        except CppError as error:
            raise Failure(error.code, str(error)) from error

    def signature(self, name: str):
        name = name or "serving_default"
        if name not in self.signatures:
            raise Failure("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        return self.signatures[name]

    def metadata(self) -> get_model_metadata_pb2.GetModelMetadataResponse:
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name, response.model_spec.version.value = self.model, 1
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(self, model: str) -> get_model_status_pb2.GetModelStatusResponse:
        if self.failures:
            raise self.failures.pop(0)
        if model != self.model:
            raise Failure("NOT_FOUND", f"Could not find any versions of model {model}")
        response = get_model_status_pb2.GetModelStatusResponse()
        state = get_model_status_pb2.ModelVersionStatus.State.Value(self.state)
        response.model_version_status.add(version=1, state=state).status.SetInParent()
        return response


class _GrpcServices(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, stand_in: StandIn):
        self.stand_in = stand_in

    def _answer(self, context, answer):
        self.stand_in.headers = dict(context.invocation_metadata())
        try:
            return answer()
        except Failure as failure:
            context.abort(getattr(grpc.StatusCode, failure.code), str(failure))

    def _check(self, spec):
        self.stand_in.check(spec.name, spec.version.value, spec.version_label)

    def Predict(self, request, context):
        def answer():
            spec = request.model_spec
            self._check(spec)
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            results = self.stand_in.predict(spec.signature_name, inputs, request.output_filter)
            response = predict_pb2.PredictResponse(model_spec=spec)
            for name, value in results.items():
                _fill(response.outputs[name], value)
            return response

        return self._answer(context, answer)

    def GetModelMetadata(self, request, context):
        def answer():
            self._check(request.model_spec)
            return self.stand_in.metadata()

        return self._answer(context, answer)

    def GetModelStatus(self, request, context):
        return self._answer(context, lambda: self.stand_in.status(request.model_spec.name))


def _fill(proto, value: np.ndarray):
    """Writes values one by one into the field of their type, which is TF Serving's default."""
    dtype = tf.as_dtype(value.dtype)
    proto.dtype = dtype.as_datatype_enum
    proto.tensor_shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
    fields = {"string": "string_val", "float32": "float_val", "uint8": "int_val"}
    getattr(proto, fields[dtype.name]).extend(value.ravel().tolist())


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # As many clients as a test has may connect at once.
    request_queue_size = 128


class _RestHandler(http.server.BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_GET(self):
        self._answer("GET")

    def do_POST(self):
        self._answer("POST")

    def _answer(self, verb: str):
        self.stand_in.headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            found = _PATH.fullmatch(self.path)
            if not found or (found["method"] == ":predict") != (verb == "POST"):
                raise Failure("INVALID_ARGUMENT", f"Malformed request: {verb} {self.path}")
            if found["method"] is None:
                reply = _as_json(self.stand_in.status(found["model"]))
            else:
                self.stand_in.check(
                    found["model"], int(found["version"] or 0), found["label"] or ""
                )
                reply = self._predicted(body) if verb == "POST" else self._metadata()
        except Failure as failure:
            self._reply(HTTP_CODES[failure.code], {"error": str(failure)})
        else:
            self._reply(200, reply)

    def _predicted(self, body: bytes) -> dict:
        request = json.loads(body)
        name = request.get("signature_name", "")
        specs = self.stand_in.signature(name).inputs
        by_row = "instances" in request
        given = request["instances" if by_row else "inputs"]
        # An only input needs no name.
        if by_row and not isinstance(given[0], dict):
            given = [{next(iter(specs)): row} for row in given]
        elif not by_row and not isinstance(given, dict):
            given = {next(iter(specs)): given}
        columns = {key: [row[key] for row in given] for key in given[0]} if by_row else given
        inputs = {
            key: np.array(_decoded(column), tf.as_dtype(specs[key].dtype).as_numpy_dtype)
            for key, column in columns.items()
        }
        results = self.stand_in.predict(name, inputs)
        outputs = {key: _encoded(key, value) for key, value in results.items()}
        if not by_row:
            return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}

    def _metadata(self) -> dict:
        metadata = self.stand_in.metadata()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        metadata.metadata["signature_def"].Unpack(signatures)
        return {
            "model_spec": {"name": self.stand_in.model, "signature_name": "", "version": "1"},
            "metadata": {"signature_def": _as_json(signatures)},
        }

    def _reply(self, code: int, content: dict):
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def _as_json(message) -> dict:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _encoded(name: str, value: np.ndarray) -> list:
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(item).decode()} for item in value]
    return value.tolist()
