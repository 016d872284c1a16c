"""TensorFlow's C++ loader of SavedModels, the one in TF Serving, by the C library in the wheel."""

from __future__ import annotations

import ctypes
import math
import pathlib
from collections.abc import Mapping

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
# Bytes of a TF_TString, of which tensors of strings are arrays.
_STRING = 24
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class _Output(ctypes.Structure):
    _fields_ = (("operation", _POINTER), ("index", _INT))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", _POINTER), ("length", _SIZE), ("deallocator", _POINTER))


# Name -> type of the result, types of the arguments.
_FUNCTIONS = {
    "TF_AllocateTensor": (_POINTER, [_INT, _POINTER, _INT, _SIZE]),
    "TF_CloseSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteBuffer": (None, [_POINTER]),
    "TF_DeleteGraph": (None, [_POINTER]),
    "TF_DeleteSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteSessionOptions": (None, [_POINTER]),
    "TF_DeleteStatus": (None, [_POINTER]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_Dim": (ctypes.c_int64, [_POINTER, _INT]),
    "TF_GetCode": (_INT, [_POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, ctypes.c_char_p]),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        [_POINTER, _POINTER, ctypes.c_char_p, _POINTER, _INT, _POINTER, _POINTER, _POINTER],
    ),
    "TF_Message": (ctypes.c_char_p, [_POINTER]),
    "TF_NewBuffer": (_POINTER, []),
    "TF_NewGraph": (_POINTER, []),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_NewStatus": (_POINTER, []),
    "TF_NumDims": (_INT, [_POINTER]),
    "TF_SessionRun": (
        None,
        # The session and what it is run with; inputs, outputs, targets; metadata and status.
        [_POINTER] * 2 + [_POINTER, _POINTER, _INT] * 2 + [_POINTER, _INT] + [_POINTER] * 2,
    ),
    "TF_StringCopy": (None, [_POINTER, ctypes.c_char_p, _SIZE]),
    "TF_StringDealloc": (None, [_POINTER]),
    "TF_StringGetDataPointer": (_POINTER, [_POINTER]),
    "TF_StringGetSize": (_SIZE, [_POINTER]),
    "TF_StringInit": (None, [_POINTER]),
    "TF_TensorByteSize": (_SIZE, [_POINTER]),
    "TF_TensorData": (_POINTER, [_POINTER]),
    "TF_TensorType": (_INT, [_POINTER]),
}


def _library() -> ctypes.CDLL:
    # The same as TensorFlow's Python has loaded.
    (path,) = pathlib.Path(tf.__file__).parent.glob("libtensorflow_cc.*")
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class CppError(Exception):
    """What TensorFlow answers instead of results; `code` is gRPC's name of it."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class CppSession:
    """A SavedModel in a session, without TensorFlow's Python. Threads may share it.

    Attributes:
      signatures: by name.
    """

    def __init__(self, saved_model: pathlib.Path):
        self._tf = _library()
        self._graph = self._tf.TF_NewGraph()
        options, buffer = self._tf.TF_NewSessionOptions(), self._tf.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(b"serve")
        try:
            self._session = self._checked(
                self._tf.TF_LoadSessionFromSavedModel,
                *(options, None, str(saved_model).encode(), tags, 1, self._graph, buffer),
            )
            content = _Buffer.from_address(buffer)
            graph = meta_graph_pb2.MetaGraphDef.FromString(
                ctypes.string_at(content.data, content.length)
            )
        finally:
            self._tf.TF_DeleteSessionOptions(options)
            self._tf.TF_DeleteBuffer(buffer)
        self.signatures = dict(graph.signature_def)

    def close(self):
        self._checked(self._tf.TF_CloseSession, self._session)
        self._checked(self._tf.TF_DeleteSession, self._session)
        self._tf.TF_DeleteGraph(self._graph)

    def run(self, fetches: Mapping[str, str], feeds: Mapping[str, np.ndarray]) -> dict:
        """Returns tensors: the keys of `fetches` -> arrays; strings are arrays of bytes objects.

        Args:
          fetches: names of tensors by key.
          feeds: arrays by the names of tensors.
        """
        fed = [self._tensor(value) for value in feeds.values()]
        fetched = (_POINTER * len(fetches))()
        try:
            self._checked(
                self._tf.TF_SessionRun,
                *(self._session, None, self._outputs(feeds), (_POINTER * len(fed))(*fed)),
                *(len(fed), self._outputs(fetches.values()), fetched, len(fetches)),
                *(None, 0, None),
            )
            return {key: self._array(tensor) for key, tensor in zip(fetches, fetched, strict=True)}
        finally:
            for tensor, value in zip(fed, feeds.values(), strict=True):
                if value.dtype == object:
                    for place in self._strings(tensor, value.size):
                        self._tf.TF_StringDealloc(place)
            for tensor in [*fed, *filter(None, fetched)]:
                self._tf.TF_DeleteTensor(tensor)

    def _checked(self, function, *arguments):
        status = self._tf.TF_NewStatus()
        try:
            result = function(*arguments, status)
            if code := self._tf.TF_GetCode(status):
                raise CppError(_CODES[code], self._tf.TF_Message(status).decode())
            return result
        finally:
            self._tf.TF_DeleteStatus(status)

    def _outputs(self, names):
        outputs = []
        for name in names:
            operation, index = name.split(":")
            found = self._tf.TF_GraphOperationByName(self._graph, operation.encode())
            outputs.append(_Output(found, int(index)))
        return (_Output * len(outputs))(*outputs)

    def _tensor(self, value: np.ndarray) -> int:
        size = value.size * _STRING if value.dtype == object else value.nbytes
        kind = tf.as_dtype(value.dtype).as_datatype_enum
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        tensor = self._tf.TF_AllocateTensor(kind, shape, value.ndim, size)
        if value.dtype != object:
            ctypes.memmove(self._tf.TF_TensorData(tensor), value.tobytes(), size)
            return tensor
        for place, item in zip(self._strings(tensor, value.size), value.ravel(), strict=True):
            self._tf.TF_StringInit(place)
            self._tf.TF_StringCopy(place, item, len(item))
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        shape = [self._tf.TF_Dim(tensor, axis) for axis in range(self._tf.TF_NumDims(tensor))]
        kind = tf.as_dtype(self._tf.TF_TensorType(tensor))
        if kind != tf.string:
            size = self._tf.TF_TensorByteSize(tensor)
            data = ctypes.string_at(self._tf.TF_TensorData(tensor), size)
            return np.frombuffer(data, kind.as_numpy_dtype).reshape(shape)
        items = np.empty(math.prod(shape), object)
        for index, place in enumerate(self._strings(tensor, items.size)):
            data = self._tf.TF_StringGetDataPointer(place)
            items[index] = ctypes.string_at(data, self._tf.TF_StringGetSize(place))
        return items.reshape(shape)

    def _strings(self, tensor: int, count: int) -> range:
        """Returns the addresses of a tensor's strings."""
        begin = self._tf.TF_TensorData(tensor) or 0
        return range(begin, begin + count * _STRING, _STRING)
