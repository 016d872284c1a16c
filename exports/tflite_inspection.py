"""Inspects a .tflite file: operators, types, quantisation."""

from __future__ import annotations

import collections
import pathlib

from ai_edge_litert import schema_py_generated as schema

from drgn_tf.exports.tflite_metadata import text, unpacked


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Returns the name of an operator, such as "CONV_2D", or "CUSTOM:" and its custom name."""
    code = model.operatorCodes[operator.opcodeIndex]
    # Files for old runtimes have the code in the first field only.
    name = _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return f"CUSTOM:{text(code.customCode)}" if name == "CUSTOM" else name


def type_name(tensor: schema.TensorT) -> str:
    """Returns the name of a tensor's type, such as "FLOAT32" or "INT8"."""
    return _TYPES[tensor.type]


def operators(path: pathlib.Path) -> dict[str, int]:
    """Returns the count of each operator in a .tflite file, the most frequent first."""
    model = unpacked(path.read_bytes())
    counter = collections.Counter(
        operator_name(model, operator) for graph in model.subgraphs for operator in graph.operators
    )
    return dict(counter.most_common())


def quantisation(path: pathlib.Path) -> dict[str, tuple[float, int]]:
    """Returns (scale, zero point) of the integer inputs and outputs, by name."""
    model = unpacked(path.read_bytes())
    signature = model.signatureDefs[0]
    tensors = model.subgraphs[signature.subgraphIndex].tensors
    found = {}
    for entry in [*signature.inputs, *signature.outputs]:
        parameters = tensors[entry.tensorIndex].quantization
        if parameters is not None and parameters.scale is not None:
            found[text(entry.name)] = (float(parameters.scale[0]), int(parameters.zeroPoint[0]))
    return found
