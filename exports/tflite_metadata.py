"""The flatbuffer of a `.tflite` file, and its metadata.

The standard metadata (metadata_schema.fbs of tflite-support, identifier "M001") is in a
buffer named TFLITE_METADATA. The package that writes it cannot be installed with TensorFlow
2.21, which needs another protobuf, so the tables in use are written here, field by field,
with `flatbuffers`. No files are attached.

Each image tensor is declared as RGB; those that go in with mean 0 and standard deviation 255:
a byte b becomes b / 255, and for a file of 8 bits, whose scale is 1/255, the byte itself.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types
from flatbuffers.table import Table

from drgn_tf.version import __version__

_BUFFER = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
AUTHOR = "drgn-tf"
LICENCE = "Apache-2.0"

# Field numbers of the tables, in the order of metadata_schema.fbs.
_MODEL = {"name": 0, "description": 1, "version": 2, "subgraphs": 3, "author": 4, "license": 5,
          "min_parser_version": 7}  # fmt: skip
_SUBGRAPH = {"inputs": 2, "outputs": 3}
_TENSOR = {"name": 0, "description": 1, "content": 3, "process_units": 4, "stats": 5}
_CONTENT = {"type": 0, "properties": 1}
_IMAGE = {"color_space": 0, "default_size": 1}
_SIZE = {"width": 0, "height": 1}
_UNIT = {"type": 0, "options": 1}
_NORMALISATION = {"mean": 0, "std": 1}
_STATS = {"max": 0, "min": 1}
# Members of the unions, and of the enumeration of colour spaces.
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2
_NORMALISATION_OPTIONS = 1
_RGB = 1


class _AlignedBuilder(flatbuffers.Builder):
    """Aligns constants to 16 bytes, as runtimes that map the file expect."""

    def StartVector(self, elemSize, numElems, alignment):
        return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)


def unpacked(data: bytes) -> schema.ModelT:
    """Parses a `.tflite` file into an object that can be read and changed."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def packed(model: schema.ModelT) -> bytes:
    """Serialises a parsed `.tflite` file."""
    builder = _AlignedBuilder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def text(value: bytes | str | None) -> str:
    """Returns a string of the flatbuffer as `str`."""
    return value.decode() if isinstance(value, bytes) else value or ""


@dataclasses.dataclass(frozen=True)
class TensorDescription:
    """What the metadata say of a tensor that goes in or comes out.

    Attributes:
      name: of the tensor.
      description: what it is.
      size: (height, width) of an image in pixels, 0 where it may be any; None of other values.
      largest: value that stands for the brightest pixel; 0 is the darkest.
    """

    name: str
    description: str
    size: tuple[int, int] | None
    largest: float


def attach(
    model: schema.ModelT,
    name: str,
    description: str,
    inputs: list[TensorDescription],
    outputs: list[TensorDescription],
) -> None:
    """Adds metadata to a parsed file.

    Args:
      model: the parsed file, changed in place.
      name: of the network.
      description: of the network.
      inputs: in the order of the file.
      outputs: in the order of the file.
    """
    data = np.frombuffer(_metadata(name, description, inputs, outputs), np.uint8)
    entry = schema.MetadataT()
    entry.name = _BUFFER
    entry.buffer = len(model.buffers)
    buffer = schema.BufferT()
    buffer.data = data
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    model.description = description


def _metadata(name, description, inputs, outputs) -> bytes:
    builder = flatbuffers.Builder(1024)
    subgraph = _table(
        builder,
        10,
        {
            _SUBGRAPH["inputs"]: _offsets(builder, [_tensor(builder, t, True) for t in inputs]),
            _SUBGRAPH["outputs"]: _offsets(builder, [_tensor(builder, t, False) for t in outputs]),
        },
    )
    strings = {
        "name": name,
        "description": description,
        "version": __version__,
        "author": AUTHOR,
        "license": LICENCE,
        "min_parser_version": _PARSER_VERSION,
    }
    fields = {_MODEL[key]: builder.CreateString(value) for key, value in strings.items()}
    fields[_MODEL["subgraphs"]] = _offsets(builder, [subgraph])
    builder.Finish(_table(builder, 8, fields), _IDENTIFIER)
    return bytes(builder.Output())


def _table(
    builder: flatbuffers.Builder,
    slots: int,
    offsets: dict[int, int],
    scalars: dict[int, tuple[Callable, int]] | None = None,
) -> int:
    """Writes a table.

    Args:
      builder: with the children of the table already written.
      slots: number of fields in the schema.
      offsets: by field number.
      scalars: by field number, (method of the builder, value).
    """
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, (prepend, value) in (scalars or {}).items():
        prepend(slot, value, 0)
    return builder.EndObject()


def _offsets(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _tensor(builder: flatbuffers.Builder, tensor: TensorDescription, is_input: bool) -> int:
    def floats(value: float) -> int:
        return builder.CreateNumpyVector(np.array([value], np.float32))

    if tensor.size is None:
        kind, properties = _FEATURE_PROPERTIES, _table(builder, 0, {})
    else:
        sides = {
            _SIZE[side]: (builder.PrependUint32Slot, value)
            for side, value in zip(("height", "width"), tensor.size)
        }
        size = _table(builder, 2, {}, sides)
        rgb = {_IMAGE["color_space"]: (builder.PrependInt8Slot, _RGB)}
        kind = _IMAGE_PROPERTIES
        properties = _table(builder, 2, {_IMAGE["default_size"]: size}, rgb)
    content = _table(
        builder,
        3,
        {_CONTENT["properties"]: properties},
        {_CONTENT["type"]: (builder.PrependUint8Slot, kind)},
    )
    stats = _table(builder, 2, {_STATS["max"]: floats(tensor.largest), _STATS["min"]: floats(0.0)})
    fields = {_TENSOR["content"]: content, _TENSOR["stats"]: stats}
    if is_input and tensor.size is not None:
        options = {_NORMALISATION["mean"]: floats(0.0), _NORMALISATION["std"]: floats(255.0)}
        unit = _table(
            builder,
            2,
            {_UNIT["options"]: _table(builder, 2, options)},
            {_UNIT["type"]: (builder.PrependUint8Slot, _NORMALISATION_OPTIONS)},
        )
        fields[_TENSOR["process_units"]] = _offsets(builder, [unit])
    fields[_TENSOR["name"]] = builder.CreateString(tensor.name)
    fields[_TENSOR["description"]] = builder.CreateString(tensor.description)
    return _table(builder, 7, fields)


def read_metadata(path: pathlib.Path) -> dict[str, Any]:
    """Returns the metadata of a `.tflite` file.

    Returns:
      "name", "description", "version", "author", "license", "min_parser_version"; "inputs" and
      "outputs": for each tensor its "name", "description", "min" and "max"; of images
      "color_space", "width" and "height" (0 for any), and where bytes are to be normalised "mean"
      and "std".

    Raises:
      ValueError: the file has none.
    """
    model = unpacked(path.read_bytes())
    entries = [entry for entry in model.metadata or [] if text(entry.name) == _BUFFER]
    if not entries:
        raise ValueError(f"{path}: holds no metadata.")
    data = bytes(bytearray(model.buffers[entries[0].buffer].data))
    if data[4:8] != _IDENTIFIER:
        raise ValueError(f"{path}: its metadata has an unknown format.")
    root = _Reader(data, int.from_bytes(data[:4], "little"))
    subgraph = root.tables(_MODEL["subgraphs"])[0]
    keys = ("name", "description", "version", "author", "license", "min_parser_version")
    return {
        **{key: root.string(_MODEL[key]) for key in keys},
        "inputs": [_read_tensor(tensor) for tensor in subgraph.tables(_SUBGRAPH["inputs"])],
        "outputs": [_read_tensor(tensor) for tensor in subgraph.tables(_SUBGRAPH["outputs"])],
    }


class _Reader:
    """Reads the fields of a table by number."""

    def __init__(self, data: bytes, position: int):
        self._table = Table(data, position)

    def _offset(self, slot: int) -> int:
        return self._table.Offset(4 + 2 * slot)

    def string(self, slot: int) -> str:
        offset = self._offset(slot)
        return text(self._table.String(offset + self._table.Pos)) if offset else ""

    def scalar(self, slot: int, kind) -> int:
        offset = self._offset(slot)
        return int(self._table.Get(kind, offset + self._table.Pos)) if offset else 0

    def table(self, slot: int) -> _Reader:
        offset = self._offset(slot) + self._table.Pos
        return _Reader(self._table.Bytes, self._table.Indirect(offset))

    def tables(self, slot: int) -> list[_Reader]:
        offset = self._offset(slot)
        if not offset:
            return []
        start = self._table.Vector(offset)
        return [
            _Reader(self._table.Bytes, self._table.Indirect(start + 4 * i))
            for i in range(self._table.VectorLen(offset))
        ]

    def floats(self, slot: int) -> list[float]:
        kind = number_types.Float32Flags
        return self._table.GetVectorAsNumpy(kind, self._offset(slot)).tolist()


def _read_tensor(tensor: _Reader) -> dict[str, Any]:
    content, stats = tensor.table(_TENSOR["content"]), tensor.table(_TENSOR["stats"])
    found: dict[str, Any] = {
        "name": tensor.string(_TENSOR["name"]),
        "description": tensor.string(_TENSOR["description"]),
        "min": stats.floats(_STATS["min"]),
        "max": stats.floats(_STATS["max"]),
    }
    if content.scalar(_CONTENT["type"], number_types.Uint8Flags) == _IMAGE_PROPERTIES:
        image = content.table(_CONTENT["properties"])
        size = image.table(_IMAGE["default_size"])
        colour_space = image.scalar(_IMAGE["color_space"], number_types.Int8Flags)
        found["color_space"] = "RGB" if colour_space == _RGB else "unknown"
        for side in ("width", "height"):
            found[side] = size.scalar(_SIZE[side], number_types.Uint32Flags)
    for unit in tensor.tables(_TENSOR["process_units"]):
        options = unit.table(_UNIT["options"])
        found["mean"] = options.floats(_NORMALISATION["mean"])
        found["std"] = options.floats(_NORMALISATION["std"])
    return found
