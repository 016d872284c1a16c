"""Files that compute all pixels in integers, for NPUs that have nothing else.

    image, enhanced      uint8, scale 1/255, zero point 0: the bytes of a bitmap
    weights              8 bits, with a scale per output channel; biases 64 or 32 bits
    pixels               16 bits, and 8 bits on the 1/4 grid of the refinement
    thumbnail, brightness, and the vectors made of them alone: float32, as in "int8"

8 bits throughout do not do, docs/export_decisions.md has how far they come. What "int8"
computes in float (`tflite_int8.float_tensors`) has 16 bits here, with a zero point of 0 and
four times the range that was observed, so that brighter photos than the samples are right too.

Three operators have no kernels of 16 bits, and are replaced exactly:

    PRELU                   x + (slope - 1) * min(x, 0)
    DEPTH_TO_SPACE          a transposition between two reshapes
    clipping of the result  the conversion to bytes, which saturates
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from drgn_tf.errors import UserError
from drgn_tf.exports.calibration import outputs_of
from drgn_tf.exports.tflite_inspection import operator_name
from drgn_tf.exports.tflite_int8 import byte_kernel, float_tensors
from drgn_tf.exports.tflite_metadata import text

_FLOAT, _INT8, _INT16 = (
    schema.TensorType.FLOAT32,
    schema.TensorType.INT8,
    schema.TensorType.INT16,
)
_NUMPY: dict[int, type[np.signedinteger]] = {_INT8: np.int8, _INT16: np.int16}
_MARGIN = 4.0
# Of operators whose results have the scale of what goes in.
_SAME_SCALE = ("AVERAGE_POOL_2D", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
_COMPUTED = ("ADD", "CONV_2D", "CONCATENATION", "MUL", "PRELU", "SUB", *_SAME_SCALE)
# First versions of the operators that take 16 bits, or a scale per channel.
_VERSIONS = {
    "ADD": 3, "AVERAGE_POOL_2D": 3, "CONCATENATION": 3, "CONV_2D": 4, "DEPTH_TO_SPACE": 2,
    "DEQUANTIZE": 2, "MINIMUM": 4, "MUL": 4, "QUANTIZE": 2, "RESHAPE": 1,
    "SPACE_TO_DEPTH": 1, "SUB": 5, "TRANSPOSE": 4,
}  # fmt: skip


class _Writer:
    """Builds the integer graph from the float one.

    Args:
      model: float content of a file, of fixed size; changed in place.
      ranges: (minimum, maximum) of its tensors, by index.
    """

    def __init__(self, model: schema.ModelT, ranges: Mapping[int, tuple[float, float]]):
        self.model = model
        self.subgraph = model.subgraphs[0]
        self.ranges = dict(ranges)
        self.operators: list[schema.OperatorT] = []
        self.image, self.enhanced = int(self.subgraph.inputs[0]), int(self.subgraph.outputs[0])
        self.ranges[self.image] = (0.0, 1.0)
        self.in_float = _without_image(self.subgraph)
        self.in_bytes = set(outputs_of(self.subgraph)) - float_tensors(model) - self.in_float
        # The integer tensors that stand for a float one, by its index and their type and scale.
        self._forms: dict[tuple[int, int, float], int] = {}

    def write(self) -> None:
        """Replaces the operators of the graph."""
        floats = list(self.subgraph.operators)
        tail = self._clipping(floats)
        for operator in floats:
            if int(operator.outputs[0]) in self.in_float:
                self.operators.append(operator)
            elif operator not in tail:
                self._computed(operator)
        self.subgraph.operators = self.operators
        self._remove_unused()

    def _clipping(self, operators: list[schema.OperatorT]) -> list[schema.OperatorT]:
        """Returns the last operators, which move pixels and clip them; bytes need no clipping."""
        found = []
        wanted = self.enhanced
        for operator in reversed(operators):
            if int(operator.outputs[0]) != wanted:
                continue
            if operator_name(self.model, operator) not in ("MINIMUM", "MAXIMUM", "RELU"):
                break
            found.append(operator)
            wanted = int(operator.inputs[0])
        self._last = wanted
        return found

    def _computed(self, operator: schema.OperatorT) -> None:
        name, number = operator_name(self.model, operator), int(operator.outputs[0])
        if name not in _COMPUTED:
            raise UserError(f"no integer form of {name} is known; report this as a bug.")
        sources = [int(i) for i in operator.inputs]
        kind = _INT8 if number in self.in_bytes else _INT16
        if name == "SPACE_TO_DEPTH" and sources[0] == self.image:
            # Of the bytes themselves: nothing is lost, and 16 bits have no such kernel.
            kind = _INT8
        if number == self._last and name == "DEPTH_TO_SPACE":
            # Saturates: this is the clipping.
            self.ranges[sources[0]] = self.ranges[number] = (0.0, 1.0)
            kind = _INT8
        if name in _SAME_SCALE:
            self.ranges[number] = self.ranges[sources[0]]
        result = self._form(number, kind)
        if name == "CONV_2D":
            self._convolution(operator, sources, kind, result)
        elif name == "PRELU":
            self._prelu(sources, result)
        elif name in ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH") and kind == _INT16:
            self._moved(name, self._given(sources[0], kind), result)
        else:
            shared = self.ranges[number] if name == "CONCATENATION" else None
            operator.inputs = [self._given(i, kind, shared) for i in sources]
            operator.outputs = [result]
            if name in ("ADD", "SUB"):
                operator.builtinOptions.potScaleInt16 = False
            self._raise_version(operator, name)
            self.operators.append(operator)
        if number == self._last:
            if self._type(result) != _INT8:
                self.ranges[number] = (0.0, 1.0)
            self._add("QUANTIZE", [self._given(number, _INT8, (0.0, 1.0))], self.enhanced)

    def _convolution(
        self, operator: schema.OperatorT, sources: list[int], kind: int, result: int
    ) -> None:
        source = self._given(sources[0], kind)
        levels, scales = byte_kernel(self._constant(sources[1]))
        weights = self._values(f"{self._name(sources[1])}_int8", levels, _INT8, scales)
        steps = scales * self._scale(source)
        bias = np.round(self._constant(sources[2]) / steps)
        if kind == _INT16:
            biases = self._values("bias", bias.astype(np.int64), schema.TensorType.INT64, steps)
        else:
            biases = self._values("bias", bias.astype(np.int32), schema.TensorType.INT32, steps)
        operator.inputs, operator.outputs = [source, weights, biases], [result]
        self._raise_version(operator, "CONV_2D")
        self.operators.append(operator)

    def _prelu(self, sources: list[int], result: int) -> None:
        # 8-bit files keep what is around it in float: it is 16 bits here.
        source, slopes = self._given(sources[0], _INT16), self._constant(sources[1])
        shape = self._shape(source)
        zero = self._values("zero", np.zeros((), np.int16), _INT16, [self._scale(source)])
        negative = self._tensor("negative", shape, _INT16, self._scale(source))
        self._add("MINIMUM", [source, zero], negative)
        # What is taken off the negative part, of which the range is the source's.
        scale = self._scale(source) * max(float(np.abs(slopes - 1).max()), 1e-6)
        taken = self._tensor("taken", shape, _INT16, scale)
        self._add("MUL", [negative, self._levels("slopes", slopes - 1)], taken)
        self._add("ADD", [source, taken], result)

    def _moved(self, name: str, source: int, result: int) -> None:
        """Moves pixels between space and depth, by a transposition of four dimensions."""
        deep = source if name == "DEPTH_TO_SPACE" else result
        wide = result if name == "DEPTH_TO_SPACE" else source
        _, height, width, channels = self._shape(deep)
        _, _, _, kept = self._shape(wide)
        block = round((channels / kept) ** 0.5)
        shapes = [height, width, block, block * kept], [height, block, width, block * kept]
        before, after = shapes if name == "DEPTH_TO_SPACE" else shapes[::-1]
        scale = self._scale(source)
        split = self._tensor("split", before, _INT16, scale)
        turned = self._tensor("turned", after, _INT16, scale)
        self._reshape(source, split)
        order = self._values("order", np.array([0, 2, 1, 3], np.int32), schema.TensorType.INT32)
        self._add("TRANSPOSE", [split, order], turned)
        self._reshape(turned, result)

    def _reshape(self, source: int, result: int) -> None:
        shape = np.array(self._shape(result), np.int32)
        self._add(
            "RESHAPE", [source, self._values("shape", shape, schema.TensorType.INT32)], result
        )

    def _given(self, number: int, kind: int, shared: tuple[float, float] | None = None) -> int:
        """Returns a float tensor in a type, by default with the scale of its own range."""
        scale, zero_point = _steps(*(shared or self.ranges[number]), kind)
        key = (number, kind, scale)
        if key not in self._forms:
            form = self._tensor(
                f"{self._name(number)}_{_NUMPY[kind].__name__}",
                self._shape(number),
                kind,
                scale,
                zero_point,
            )
            source = number
            if number == self.image:
                # No kernel goes from bytes without sign to 16 bits.
                source = number if kind == _INT8 else self._given(number, _INT8)
            elif number not in self.in_float:
                source = self._native(number)
            self._forms[key] = form
            self._add("QUANTIZE", [source], form)
        return self._forms[key]

    def _native(self, number: int) -> int:
        return next(form for (of, _, _), form in self._forms.items() if of == number)

    def _form(self, number: int, kind: int) -> int:
        """Returns the tensor that an operator is to write; the first form of a float tensor."""
        scale, zero_point = _steps(*self.ranges[number], kind)
        form = self._tensor(self._name(number), self._shape(number), kind, scale, zero_point)
        self._forms[number, kind, scale] = form
        return form

    def _levels(self, name: str, values: np.ndarray) -> int:
        """Returns constants in 16 bits, of a scale for all of them."""
        scale = max(float(np.abs(values).max()), 1e-6) / 32767
        return self._values(name, np.round(values / scale).astype(np.int16), _INT16, [scale])

    def _values(
        self, name: str, values: np.ndarray, kind: int, scales: Sequence[float] | np.ndarray = ()
    ) -> int:
        number = self._tensor(name, list(values.shape), kind)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.subgraph.tensors[number].buffer = len(self.model.buffers)
        self.model.buffers.append(buffer)
        if len(scales):
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(scale) for scale in scales]
            quantization.zeroPoint = [0] * len(scales)
            self.subgraph.tensors[number].quantization = quantization
        return number

    def _tensor(
        self, name: str, shape: list[int], kind: int, scale: float = 0.0, zero_point: int = 0
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, 0
        if scale:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def _add(self, name: str, sources: list[int], result: int) -> None:
        operator = schema.OperatorT()
        number = getattr(schema.BuiltinOperator, name)
        codes = [code.builtinCode for code in self.model.operatorCodes]
        if number not in codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = number
            code.version = 1
            self.model.operatorCodes.append(code)
            codes.append(number)
        operator.opcodeIndex = codes.index(number)
        operator.inputs, operator.outputs = sources, [result]
        if name in ("ADD", "MUL"):
            options = schema.AddOptionsT() if name == "ADD" else schema.MulOptionsT()
            if name == "ADD":
                options.potScaleInt16 = False
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{name.title()}Options")
        self._raise_version(operator, name)
        self.operators.append(operator)

    def _raise_version(self, operator: schema.OperatorT, name: str) -> None:
        code = self.model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, _VERSIONS[name])

    def _remove_unused(self) -> None:
        """Empties the buffers of tensors that no operator uses any more."""
        used = {int(i) for op in self.operators for i in (*op.inputs, *op.outputs)}
        kept = {self.subgraph.tensors[i].buffer for i in used if i >= 0}
        for number, tensor in enumerate(self.subgraph.tensors):
            if number not in used and tensor.buffer not in kept:
                self.model.buffers[tensor.buffer].data = None

    def _constant(self, number: int) -> np.ndarray:
        tensor = self.subgraph.tensors[number]
        data = bytes(bytearray(self.model.buffers[tensor.buffer].data))
        return np.frombuffer(data, np.float32).reshape([int(side) for side in tensor.shape])

    def _shape(self, number: int) -> list[int]:
        return [int(side) for side in self.subgraph.tensors[number].shape]

    def _name(self, number: int) -> str:
        return text(self.subgraph.tensors[number].name)

    def _type(self, number: int) -> int:
        return int(self.subgraph.tensors[number].type)

    def _scale(self, number: int) -> float:
        return float(self.subgraph.tensors[number].quantization.scale[0])


def _without_image(subgraph: schema.SubGraphT) -> set[int]:
    """Returns the inputs other than the image, and what is made of them alone."""
    varying = {int(i) for i in subgraph.inputs} | set(outputs_of(subgraph))
    found = {int(i) for i in subgraph.inputs[1:]}
    for operator in subgraph.operators:
        if found.issuperset(varying.intersection(int(i) for i in operator.inputs)):
            found.add(int(operator.outputs[0]))
    return found


def _steps(least: float, greatest: float, kind: int) -> tuple[float, int]:
    """Returns the scale, exact in float32, and zero point of a range, which holds 0."""
    if kind == _INT16:
        largest = max(-least, greatest, 1e-6)
        margin = 1.0 if (least, greatest) == (0.0, 1.0) else _MARGIN
        return float(np.float32(margin * largest / 32767)), 0
    scale = max(greatest - least, 1e-6) / 255
    return float(np.float32(scale)), round(-128 - least / scale)


def with_integers(model: schema.ModelT, ranges: Mapping[int, tuple[float, float]]) -> schema.ModelT:
    """Returns a float file in integers, with uint8 images; see the module.

    Args:
      model: content of a float file of fixed size.
      ranges: of its tensors, from `calibration.observed_ranges`.

    Raises:
      UserError: an operator has no known form in integers.
    """
    model = copy.deepcopy(model)
    writer = _Writer(model, ranges)
    writer.write()
    for number in (writer.image, writer.enhanced):
        tensor = model.subgraphs[0].tensors[number]
        tensor.type = schema.TensorType.UINT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1 / 255], [0]
    return model
