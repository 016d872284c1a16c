"""Warm-up requests, which TF Serving runs before it reports a model as available.

Without them the first client of each signature waits for graph optimisation and memory
allocation. TF Serving reads them from a file inside the SavedModel: a TFRecord of
`tensorflow.serving.PredictionLog`, one request each.

The package with these messages, tensorflow-serving-api, is a gRPC client. The few messages
needed are declared here instead; their field numbers are those of
tensorflow_serving/apis/*.proto and never change. On the wire a map is a repeated entry and a
nested message is its bytes, so both are declared as such.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Where TF Serving looks, relative to the SavedModel.
PATH = pathlib.PurePosixPath("assets.extra", "tf_serving_warmup_requests")

_PACKAGE = "tensorflow.serving"
# Fields of each message: name, number, type. A capitalised type is a message.
_MESSAGES = {
    "ModelSpec": (("name", 1, "string"), ("signature_name", 3, "string")),
    "InputsEntry": (("key", 1, "string"), ("value", 2, "bytes")),
    "PredictRequest": (("model_spec", 1, "ModelSpec"), ("inputs", 2, "InputsEntry")),
    "PredictLog": (("request", 1, "PredictRequest"),),
    "PredictionLog": (("predict_log", 6, "PredictLog"),),
}


def _prediction_log_class() -> type:
    Field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="serving_warmup.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, number, kind in fields:
            repeated = kind == "InputsEntry"
            field = declared.field.add(
                name=name,
                number=number,
                label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
            )
            if kind in _MESSAGES:
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = Field.TYPE_STRING if kind == "string" else Field.TYPE_BYTES
    # A separate pool, because the process may also load the original messages.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog"))


PredictionLog = _prediction_log_class()


def prediction_log(model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Returns one serialised request.

    Args:
      model: name of the model.
      signature: name of the signature.
      inputs: values by input name; strings as an array of bytes objects.
    """
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value)
        request.inputs.add(key=name, value=tensor.SerializeToString(deterministic=True))
    return log.SerializeToString(deterministic=True)


def write_requests(saved_model: pathlib.Path, logs: Sequence[bytes]) -> None:
    """Writes serialised requests into a SavedModel.

    Args:
      saved_model: the folder with saved_model.pb.
      logs: from `prediction_log`.
    """
    path = saved_model / PATH
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log)
