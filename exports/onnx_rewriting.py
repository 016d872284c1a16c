"""Rewrites parts of ONNX graphs in operators that more runtimes take.

    PReLU          tf2onnx spells it in five operators; ONNX has one
    SpaceToDepth   neither Core ML nor NNAPI take it: a convolution that copies, equal to the bit
    Min            Core ML does not take it: Clip, equal to the bit
    Reciprocal     NNAPI does not take it: a division, equal to the bit
    Log            Core ML does not take it: in files of a fixed size Newton-like steps with Exp,
                   equal to the last places of float32

One operator that an accelerator does not take costs more than it computes: the graph is cut there,
and what is before and after goes back and forth.

tf2onnx orders and numbers nodes as its sets come, differently in each process: `in_fixed_order`
makes equal graphs equal files. Which graph comes out may depend on the sets, too
(docs/export_decisions.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Starting from here, four steps take a logarithm from 0.5/255 to 1 to within 5e-7.
_LOG_START = -3.0
_LOG_STEPS = 4


def fuse_prelu(graph: onnx.GraphProto) -> None:
    """Replaces relu(x) + c * relu(-x), in place, by a PReLU of slope -c."""
    producers = {output: node for node in graph.node for output in node.output}
    constants = _constants(graph)
    fused = []
    for add in graph.node:
        parts = [producers[name] for name in add.input if name in producers]
        if add.op_type != "Add" or [part.op_type for part in parts] != ["Relu", "Mul"]:
            continue
        positive, scaled = parts
        negative = producers.get(scaled.input[0])
        if negative is None or negative.op_type != "Relu" or scaled.input[1] not in constants:
            continue
        negated = producers.get(negative.input[0])
        if negated is None or negated.op_type != "Neg" or negated.input != positive.input:
            continue
        # As [C, 1, 1]: other shapes are refused by CoreML.
        slope = -constants[scaled.input[1]][0]
        add.op_type = "PRelu"
        add.input[:] = [positive.input[0], _add_constant(graph, f"{add.output[0]}/slope", slope)]
        fused += [positive, scaled, negative, negated]
    _remove(graph, fused)


def replace_space_to_depth(graph: onnx.GraphProto) -> None:
    """Replaces SpaceToDepth of images of 3 channels, in place, by convolutions."""
    for node in graph.node:
        if node.op_type != "SpaceToDepth":
            continue
        (block,) = (attribute.i for attribute in node.attribute if attribute.name == "blocksize")
        # The output is ordered by row and column in the block, then by channel.
        kernel = np.eye(3 * block**2, dtype=np.float32).reshape(-1, block, block, 3)
        kernel = np.ascontiguousarray(kernel.transpose(0, 3, 1, 2))
        weights = _add_constant(graph, f"{node.output[0]}/blocks", kernel)
        convolution = helper.make_node(
            "Conv", [node.input[0], weights], node.output, node.name,
            kernel_shape=[block, block], strides=[block, block],
        )  # fmt: skip
        node.CopyFrom(convolution)


def replace_min(graph: onnx.GraphProto) -> None:
    """Replaces Min with a constant, in place, by Clip; a Max of the same value goes into it."""
    constants = _constants(graph)
    producers = {output: node for node in graph.node for output in node.output}
    results = [value.name for value in graph.output]
    absorbed = []
    for node in graph.node:
        if node.op_type != "Min" or not (limit := _limit(node, constants)):
            continue
        source, highest = limit
        lowest = None
        before = producers.get(source)
        users = [other for other in graph.node if source in other.input]
        is_inner = len(users) == 1 and source not in results
        if before is not None and before.op_type == "Max" and is_inner:
            inner = _limit(before, constants)
            if inner and inner[1] <= highest:
                source, lowest = inner
                absorbed.append(before)
        result = node.output[0]
        after = [other for other in graph.node if result in other.input]
        is_inner = len(after) == 1 and result not in results
        if lowest is None and is_inner and after[0].op_type == "Max":
            outer = _limit(after[0], constants)
            if outer and outer[1] <= highest:
                lowest, result = outer[1], after[0].output[0]
                absorbed.append(after[0])
        # Without a lower limit that of the format: some tools take an omitted input for one of
        # unknown shape.
        lowest = np.asarray(np.finfo(highest.dtype).min) if lowest is None else lowest
        limits = [
            _add_constant(graph, f"{result}/{name}", value)
            for name, value in (("lowest", lowest), ("highest", highest))
        ]
        node.CopyFrom(helper.make_node("Clip", [source, *limits], [result], node.name))
    _remove(graph, absorbed)


def _limit(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> tuple[str, np.ndarray] | None:
    """Returns what Min or Max is of, and the one number it is limited by; None if there is none."""
    limits = [name for name in node.input if name in constants and constants[name].size == 1]
    others = [name for name in node.input if name not in limits]
    if len(limits) != 1 or len(others) != 1:
        return None
    return others[0], constants[limits[0]].reshape(())


def replace_reciprocal(graph: onnx.GraphProto) -> None:
    """Replaces Reciprocal, in place, by a division of 1."""
    for node in graph.node:
        if node.op_type == "Reciprocal":
            one = _add_constant(graph, f"{node.output[0]}/one", np.float32(1))
            node.CopyFrom(helper.make_node("Div", [one, *node.input], node.output, node.name))


def replace_log(graph: onnx.GraphProto) -> None:
    """Replaces Log of values from 0.5/255 to 1, in place, by steps of Halley's method.

    z + 2 (y - e^z) / (y + e^z) comes close to log(y) with the third power of the distance.
    """
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes += _log(graph, node) if node.op_type == "Log" else [node]
    del graph.node[:]
    graph.node.extend(nodes)


def _log(graph: onnx.GraphProto, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    value, result = node.input[0], node.output[0]
    two = _add_constant(graph, f"{result}/two", np.float32(2))
    # Its exponential, to begin with.
    place = _add_constant(graph, f"{result}/start", np.float32(_LOG_START))
    power = _add_constant(graph, f"{result}/power", np.float32(math.exp(_LOG_START)))
    for step in range(_LOG_STEPS):
        prefix = f"{result}/step_{step}"
        if step:
            power = f"{prefix}/power"
            yield helper.make_node("Exp", [place], [power])
        yield helper.make_node("Sub", [value, power], [f"{prefix}/difference"])
        yield helper.make_node("Add", [value, power], [f"{prefix}/sum"])
        yield helper.make_node(
            "Div", [f"{prefix}/difference", f"{prefix}/sum"], [f"{prefix}/ratio"]
        )
        yield helper.make_node("Mul", [f"{prefix}/ratio", two], [f"{prefix}/change"])
        following = result if step == _LOG_STEPS - 1 else f"{prefix}/place"
        yield helper.make_node("Add", [place, f"{prefix}/change"], [following])
        place = following


def in_fixed_order(graph: onnx.GraphProto) -> None:
    """Orders and names nodes, constants and intermediate results by how they are connected alone.

    Each node comes after what it needs, in the order of its inputs. What goes in and comes out of
    the graph keeps its name; all else is called by its operator and number.
    """
    producers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    ordered: dict[int, None] = {}
    waiting = [producers[value.name] for value in reversed(graph.output)]
    while waiting:
        sources = [producers[name] for name in graph.node[waiting[-1]].input if name in producers]
        missing = [i for i in sources if i not in ordered]
        if missing:
            waiting += reversed(missing)
        else:
            ordered.setdefault(waiting.pop())
    nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in ordered]
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    used = []
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        for i, name in enumerate(node.input):
            if name not in names:
                names[name] = f"{node.name}_input_{i}"
                used.append(constants[name])
        for i, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}_{i}" if i else node.name)
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
    places = {name: place for place, name in enumerate(names)}
    shapes = [value for value in graph.value_info if value.name in names]
    shapes.sort(key=lambda value: places[value.name])
    for value in (*used, *shapes):
        value.name = names[value.name]
    for field, values in (("node", nodes), ("initializer", used), ("value_info", shapes)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _add_constant(graph: onnx.GraphProto, name: str, value: np.ndarray | np.floating) -> str:
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def _remove(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Removes nodes, and the constants that nothing uses any more."""
    for node in nodes:
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in list(graph.initializer):
        if tensor.name not in used:
            graph.initializer.remove(tensor)
