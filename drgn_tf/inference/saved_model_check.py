"""Refuses SavedModels that do more than compute, before TensorFlow opens them.

A SavedModel is a program: its operators can read and write files, open connections and run
Python. A network needs operators that compute, and one function each that saves and restores
variables; nobody calls those but TensorFlow. What is run here needs no loops, so that it ends.
"""

from __future__ import annotations

import pathlib
from typing import Any

from drgn_tf.files import ModelFileError

# What networks of this project compute with, close relatives in other versions of TensorFlow, and
# what convolutional networks of others have besides.
_OPERATORS = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin Assert AssignVariableOp AsString AvgPool BatchMatMulV2
    BatchToSpaceND BiasAdd BroadcastTo Cast Ceil ClipByValue ConcatV2 Const Conv2D
    Conv2DBackpropInput DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePaddedRaw DecodePng
    DecodeRaw DecodeWebP DepthToSpace DepthwiseConv2dNative DisableCopyOnRead Einsum Elu EncodeJpeg
    EncodePng EnsureShape Equal Erf Exp ExpandDims ExtractJpegShape Fill Floor FloorDiv FloorMod
    FusedBatchNormV3 GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If LeakyRelu Less
    LessEqual Log LogicalAnd LogicalNot LogicalOr MatMul Max Maximum MaxPool Mean Min Minimum
    MirrorPad Mul Neg NoOp NotEqual OnesLike Pack Pad PadV2 PartitionedCall Placeholder
    PlaceholderWithDefault Pow PreventGradient Prod Range ReadVariableOp RealDiv Reciprocal
    ReduceJoin Relu Relu6 Reshape ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 Round
    Rsqrt Select SelectV2 Selu Shape Sigmoid Sign Size Slice Softmax Softplus SpaceToBatchND
    SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall
    StatelessIf StatelessWhile StaticRegexFullMatch StopGradient StridedSlice StringJoin Sub Substr
    Sum Tanh TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem
    TensorListStack Tile Transpose Unpack VarHandleOp While ZerosLike
"""
_COMPUTES = frozenset(_OPERATORS.split())
# Those of bytes have a loop over the files of a batch.
_FLOAT = "float_"
_LOOPS = frozenset({"StatelessWhile", "While"})
# What the functions that save and restore need besides.
_FILES = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})
# Nodes of the tree of objects; of the others, some name files to read.
_KINDS = {"user_object", "variable", "bare_concrete_function", "function", "constant",
          "captured_tensor"}  # fmt: skip
# Bytes of saved_model.pb; the weights are beside it.
_LARGEST = 2**27


def check_saved_model(folder: pathlib.Path, signatures: str = _FLOAT) -> None:
    """Raises an error unless a SavedModel only computes.

    Args:
      folder: with saved_model.pb.
      signatures: beginning of the names of those that are run; by default those of float images.

    Raises:
      ModelFileError: it holds other operators, or what is no file, or is damaged.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    # TensorFlow would wait at a pipe for ever.
    for path in (*folder.glob("*"), *folder.glob("*/*")):
        if not path.is_file() and not path.is_dir():
            raise ModelFileError(
                f"{folder}: {path.relative_to(folder)} is no regular file; export it again."
            )
    if (size := (folder / "saved_model.pb").stat().st_size) > _LARGEST:
        _refuse(folder, f"a saved_model.pb of {size} bytes")
    try:
        graphs = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    except (OSError, DecodeError) as error:
        raise ModelFileError(f"{folder}: saved_model.pb is damaged; export it again.") from error
    # Without the tree, TensorFlow runs the graph itself, as of its first version.
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise ModelFileError(f"{folder}: has no tree of objects; export it again by TensorFlow 2.")
    (graph,) = graphs
    functions = graph.graph_def.library.function
    called = {name for function in functions for name in _called(function.node_def)}
    for node in graph.object_graph_def.nodes:
        if node.WhichOneof("kind") not in _KINDS:
            _refuse(folder, f"an object of the kind {node.WhichOneof('kind')}")
        called.add(node.bare_concrete_function.concrete_function_name)
        called.update(node.function.concrete_functions)
    _check_operators(folder, graph.graph_def.node, _COMPUTES)
    for function in functions:
        allowed = _COMPUTES if function.signature.name in called else _COMPUTES | _FILES
        _check_operators(folder, function.node_def, allowed)
    _check_that_it_ends(folder, graph, signatures)


def _check_that_it_ends(folder: pathlib.Path, graph: Any, signatures: str) -> None:
    """Refuses loops and recursion in the signatures that are run."""
    nodes = {
        function.signature.name: function.node_def for function in graph.graph_def.library.function
    }
    objects = graph.object_graph_def.nodes

    def children(index: int) -> dict[str, int]:
        found = objects[index].children if 0 <= index < len(objects) else []
        return {child.local_name: child.node_id for child in found}

    starts = [
        objects[index].bare_concrete_function.concrete_function_name
        for name, index in children(children(0).get("signatures", -1)).items()
        if name.startswith(signatures) and 0 <= index < len(objects)
    ]
    ended: set[str] = set()
    # A name for each open call; None where it returns.
    open_calls: list[str] = []
    steps: list[str | None] = [*starts]
    while steps:
        name = steps.pop()
        if name is None:
            ended.add(open_calls.pop())
        elif name in open_calls:
            _refuse(folder, "a function that calls itself")
        elif name not in ended:
            for node in nodes.get(name, []):
                if node.op in _LOOPS:
                    _refuse(folder, f"a loop ({node.op}) over float images")
            open_calls.append(name)
            steps += [None, *_called(nodes.get(name, []))]


def _called(nodes: Any) -> set[str]:
    """Returns the names of the functions in the attributes of nodes."""
    found = set()
    for node in nodes:
        for value in node.attr.values():
            found.add(value.func.name)
            found.update(function.name for function in value.list.func)
    return found - {""}


def _check_operators(folder: pathlib.Path, nodes: Any, allowed: frozenset[str]) -> None:
    for node in nodes:
        if node.op not in allowed:
            _refuse(folder, f"the operator {node.op!r:.60}")


def _refuse(folder: pathlib.Path, what: str) -> None:
    raise ModelFileError(
        f"{folder}: holds {what}, which a network that only computes does not need; give another "
        "SavedModel."
    )
