"""TF Serving's messages, without its packages.

The package with these messages, tensorflow-serving-api, imports TensorFlow: seconds and hundreds of
megabytes, for a client that sends bytes. The few messages needed are declared here instead; their
field numbers are those of tensorflow_serving/apis/*.proto and tensorflow/core/framework/*.proto,
and never change. Names are free, as they are not on the wire. Three things are declared as what
they are there: a map is a repeated entry, an enumeration a number, and packed floats are bytes,
which numpy reads in place of a list of millions of Python floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "drgn_tf.serving"
# Fields of each message: name, number, type; [] is repeated, a capitalised type is a message.
_MESSAGES = {
    "Dim": (("size", 1, "int64"),),
    "Shape": (("dim", 2, "Dim[]"), ("unknown_rank", 3, "bool")),
    "Tensor": (
        ("dtype", 1, "int32"),
        ("tensor_shape", 2, "Shape"),
        ("tensor_content", 4, "bytes"),
        ("float_val", 5, "bytes"),
        ("int_val", 7, "int32[]"),
        ("string_val", 8, "bytes[]"),
    ),
    "TensorEntry": (("key", 1, "string"), ("value", 2, "Tensor")),
    "Version": (("value", 1, "int64"),),
    "ModelSpec": (
        ("name", 1, "string"),
        ("version", 2, "Version"),
        ("signature_name", 3, "string"),
        ("version_label", 4, "string"),
    ),
    "PredictRequest": (
        ("model_spec", 1, "ModelSpec"),
        ("inputs", 2, "TensorEntry[]"),
        ("output_filter", 3, "string[]"),
    ),
    "PredictResponse": (("outputs", 1, "TensorEntry[]"),),
    "PredictLog": (("request", 1, "PredictRequest"),),
    "PredictionLog": (("predict_log", 6, "PredictLog"),),
    "StatusRequest": (("model_spec", 1, "ModelSpec"),),
    "VersionStatus": (("version", 1, "int64"), ("state", 2, "int32")),
    "StatusResponse": (("model_version_status", 1, "VersionStatus[]"),),
    "MetadataRequest": (("model_spec", 1, "ModelSpec"), ("metadata_field", 2, "string[]")),
    "Any": (("type_url", 1, "string"), ("value", 2, "bytes")),
    "AnyEntry": (("key", 1, "string"), ("value", 2, "Any")),
    "MetadataResponse": (("metadata", 2, "AnyEntry[]"),),
    "TensorInfo": (("dtype", 2, "int32"), ("tensor_shape", 3, "Shape")),
    "TensorInfoEntry": (("key", 1, "string"), ("value", 2, "TensorInfo")),
    "Signature": (("inputs", 1, "TensorInfoEntry[]"), ("outputs", 2, "TensorInfoEntry[]")),
    "SignatureEntry": (("key", 1, "string"), ("value", 2, "Signature")),
    "Signatures": (("signature_def", 1, "SignatureEntry[]"),),
}
# States of a version, by number.
STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}

_FLOAT, _UINT8, _STRING = 1, 4, 7


def _classes() -> dict[str, Any]:
    Field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="drgn_tf_serving.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, number, kind in fields:
            single = kind.removesuffix("[]")
            repeated = Field.LABEL_REPEATED if kind != single else Field.LABEL_OPTIONAL
            field = declared.field.add(name=name, number=number, label=repeated)
            if single in _MESSAGES:
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{_PACKAGE}.{single}"
            else:
                field.type = getattr(Field, f"TYPE_{single.upper()}")
    # A separate pool, because the process may also load the original messages.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


CLASSES = _classes()
PredictionLog = CLASSES["PredictionLog"]
PredictRequest, PredictResponse = CLASSES["PredictRequest"], CLASSES["PredictResponse"]
StatusRequest, StatusResponse = CLASSES["StatusRequest"], CLASSES["StatusResponse"]
MetadataRequest, MetadataResponse = CLASSES["MetadataRequest"], CLASSES["MetadataResponse"]
Signatures = CLASSES["Signatures"]


def fill_inputs(request: Any, inputs: Mapping[str, np.ndarray]) -> None:
    """Puts arrays into a PredictRequest.

    Args:
      request: the PredictRequest.
      inputs: by name, float32 or uint8; strings as an array of bytes objects.
    """
    for name, value in inputs.items():
        tensor = request.inputs.add(key=name).value
        for side in value.shape:
            tensor.tensor_shape.dim.add(size=side)
        if value.dtype == object:
            tensor.dtype = _STRING
            tensor.string_val.extend(value.ravel().tolist())
        else:
            tensor.dtype = {"float32": _FLOAT, "uint8": _UINT8}[value.dtype.name]
            tensor.tensor_content = value.tobytes()


def to_array(tensor: Any) -> np.ndarray:
    """Returns the array in a message; strings as an array of bytes objects.

    Raises:
      ValueError: the message has another type, or not as many values as its shape says.
    """
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    values: np.ndarray
    if tensor.dtype == _STRING:
        values = np.array([*tensor.string_val, None], object)[:-1]
    elif tensor.dtype == _FLOAT:
        values = np.frombuffer(tensor.tensor_content or tensor.float_val, "<f4")
    elif tensor.dtype == _UINT8 and tensor.tensor_content:
        values = np.frombuffer(tensor.tensor_content, np.uint8)
    elif tensor.dtype == _UINT8:
        values = np.array(tensor.int_val, np.uint8)
    else:
        raise ValueError(f"a tensor of type {tensor.dtype} is unknown.")
    missing = int(np.prod(shape)) - len(values)
    if missing > 0 and len(values):
        # The last value stands for all that follow.
        values = np.concatenate([values, np.repeat(values[-1:], missing)])
    return values.reshape(shape)


def input_shapes(signatures: bytes) -> dict[str, dict[str, Sequence[int]]]:
    """Returns the shape of each input of each signature, -1 where any length is taken.

    Args:
      signatures: the serialised map of signatures in a MetadataResponse.
    """
    return {
        entry.key: {
            item.key: [dim.size for dim in item.value.tensor_shape.dim]
            for item in entry.value.inputs
        }
        for entry in Signatures.FromString(signatures).signature_def
    }
