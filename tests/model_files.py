"""Small `.tflite` and `.onnx` files, well-formed and hostile."""

from __future__ import annotations

from typing import Any

import flatbuffers
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

IMAGE = [1, 16, 16, 3]
ADD = (schema.BuiltinOperator.ADD, "Add", {})


def loop(condition: int, body: int) -> tuple[int, str, dict[str, Any]]:
    """Returns an operator of `tflite` that runs two of its subgraphs in turn."""
    return (
        schema.BuiltinOperator.WHILE,
        "While",
        {"condSubgraphIndex": condition, "bodySubgraphIndex": body},
    )


def tflite(*operators: tuple[int, str, dict[str, Any]], shape: list[int] = IMAGE) -> bytes:
    """Returns a file with a subgraph of one operator, image to enhanced, for each."""
    model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[], subgraphs=[])
    for number, (code, kind, options) in enumerate(operators):
        tensors = [
            schema.TensorT(name=name, shape=shape, shapeSignature=shape, hasRank=True)
            for name in ("image", "enhanced")
        ]
        inputs = [0] if kind == "While" else [0, 0]
        made = getattr(schema, f"{kind}OptionsT")(**options)
        operator = schema.OperatorT(
            opcodeIndex=number, inputs=inputs, outputs=[1], builtinOptions=made,
            builtinOptionsType=getattr(schema.BuiltinOptions, f"{kind}Options"),
        )  # fmt: skip
        model.operatorCodes.append(
            schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=1)
        )
        model.subgraphs.append(
            schema.SubGraphT(
                name="main", tensors=tensors, inputs=[0], outputs=[1], operators=[operator]
            )
        )
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def onnx_loop(rounds: int) -> bytes:
    """Returns a file that adds the image to itself so many times."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, IMAGE)
    enhanced = helper.make_tensor_value_info("enhanced", TensorProto.FLOAT, IMAGE)
    body = helper.make_graph(
        [
            helper.make_node("Add", ["before", "image"], ["after"]),
            helper.make_node("Identity", ["on"], ["still"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, IMAGE),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, IMAGE),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["rounds", "", "image"], ["enhanced"], body=body)],
        "net", [image], [enhanced], [helper.make_tensor("rounds", TensorProto.INT64, [], [rounds])],
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def onnx_convolution() -> bytes:
    """Returns a file with one 3x3 convolution, for images of any size."""
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "height", "width", 3])
        for name in ("image", "enhanced")
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["image"], ["nchw"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["nchw", "kernel"], ["after"], pads=[1, 1, 1, 1]),
            helper.make_node("Transpose", ["after"], ["enhanced"], perm=[0, 2, 3, 1]),
        ],
        "net", values[:1], values[1:],
        [helper.make_tensor("kernel", TensorProto.FLOAT, [3, 3, 3, 3], [0.01] * 81)],
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()
