"""ONNX files, for ONNX Runtime and whatever else reads them.

Inputs and outputs are those of the file's flavour (`flavours`). Images are float32 RGB in
[0, 1], NHWC or NCHW, with dimensions named batch, height and width where they are free; a
brightness is float32 [batch, 1]. Names are unique in a graph, so the brightness that comes out
is called "aimed_brightness".

Stages:

    convert  tf2onnx; with NCHW the convolutions' own order reaches the edges of the graph,
             and no Transpose is left, which is asserted
    rewrite  in operators that Core ML and NNAPI take too (`onnx_rewriting`)
    tell     names of dimensions, metadata
    halve    float16: weights and intermediate results in half precision; what goes in and comes
             out stays float32. Of any size these files take multiples of 4, as .tflite files do
    quantise integer: pixels of 16 bits, weights of 8 (`onnx_integer`)
    order    nodes and names by how they are connected: equal graphs make equal files
    check    ONNX's checker, with shape inference

Opset 17 has every operator that is needed, and ONNX Runtime 1.15 (May 2023) runs it. What
18 changed (axes of reductions, antialiased resizing) does not occur here. Integer files need 21.
"""

from __future__ import annotations

import collections
import contextlib
import io
import logging
import os
import pathlib
from collections.abc import Sequence

import onnx
import tf2onnx

from drgn_tf.errors import UserError
from drgn_tf.exports import onnx_rewriting
from drgn_tf.exports.calibration import CalibrationSample
from drgn_tf.exports.flavours import AIMED, INPUTS, OUTPUTS, traceable
from drgn_tf.exports.onnx_integer import with_integers
from drgn_tf.files import atomic_path, partial_folder
from drgn_tf.models import DRGN
from drgn_tf.version import __version__

# A pass of tf2onnx's optimiser that fails is an error, not left out; and the graph is not copied
# before each, which took half of the time.
os.environ["TF2ONNX_CATCH_ERRORS"] = "FALSE"

OPSET = 17
PRECISIONS = ("float32", "float16", "integer")
DEFAULT_PRECISIONS = PRECISIONS[:2]


def export_onnx(
    model: DRGN,
    path: pathlib.Path,
    *,
    layout: str,
    size: tuple[int, int] | None,
    flavour: str,
    name: str,
    precision: str = "float32",
    calibration: Sequence[CalibrationSample] = (),
) -> None:
    """Writes an ONNX file.

    Args:
      model: the trained network.
      path: to write to.
      layout: "nhwc" or "nchw".
      size: (height, width) in pixels, with a batch of 1; None leaves all three free.
      flavour: of `flavours.flavours`.
      name: of the model, for the metadata.
      precision: of `PRECISIONS`; "integer" is for tiled files of a fixed size.
      calibration: low-light samples of `size`; needed by "integer".

    Raises:
      UserError: the network has no such flavour, the arguments do not go together, a Transpose is
        left in NCHW, or the file cannot be written.
    """
    if precision == "integer" and (size is None or flavour != "tiled" or not calibration):
        raise UserError("integer files need a fixed size, the flavour tiled and calibration.")
    # Half precision is too little to compute with sizes: those files take multiples of 4.
    enhance = traceable(
        model,
        flavour,
        size,
        batch=None if size is None else 1,
        aimed=AIMED,
        aligned=precision == "float16",
    )
    signature = enhance.input_signature
    channels_first = {}
    if layout == "nchw":
        channels_first = {
            "inputs_as_nchw": [spec.name for spec in signature if spec.name != "brightness"],
            "outputs_as_nchw": ["enhanced"],
        }
    # It reports on every pass of its optimiser.
    tf2onnx.logging.set_level(logging.ERROR)
    converted, _ = tf2onnx.convert.from_function(
        enhance, input_signature=signature, opset=OPSET, **channels_first
    )
    onnx_rewriting.fuse_prelu(converted.graph)
    onnx_rewriting.replace_space_to_depth(converted.graph)
    onnx_rewriting.replace_min(converted.graph)
    onnx_rewriting.replace_reciprocal(converted.graph)
    if size is None:
        _name_dimensions(converted.graph, layout)
    else:
        onnx_rewriting.replace_log(converted.graph)
    if precision == "float16":
        converted = _halved(converted)
    elif precision == "integer":
        converted = with_integers(converted, calibration, layout, path.parent)
    onnx_rewriting.in_fixed_order(converted.graph)
    _describe(converted, model, layout, name)
    if layout == "nchw" and any(node.op_type == "Transpose" for node in converted.graph.node):
        raise UserError(f"{path.name}: a Transpose is left in NCHW; export NHWC instead.")
    onnx.checker.check_model(converted, full_check=True)
    with atomic_path(path) as beside:
        onnx.save(converted, beside)


def _halved(converted: onnx.ModelProto) -> onnx.ModelProto:
    # Here: it is needed by few, and imports much.
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    halved = convert_float_to_float16(converted, keep_io_types=True)
    # The conversions at the edges were put last.
    OnnxModel.graph_topological_sort(halved.graph)
    return halved


def export_ort(path: pathlib.Path) -> str:
    """Writes ONNX Runtime's own format beside an ONNX file: `.ort`.

    The graph in it is optimised already, for any CPU; minimal builds of ONNX Runtime, as in small
    apps, read no other format.

    Args:
      path: the .onnx file.

    Returns:
      What ONNX Runtime's tools say about running the file on phones.
    """
    # Here: importing them sets up logging.
    from onnxruntime.tools import convert_onnx_models_to_ort as converter
    from onnxruntime.tools.mobile_helpers import usability_checker

    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)
    report = io.StringIO()
    logger = logging.Logger("usability", logging.INFO)
    logger.addHandler(logging.StreamHandler(report))
    usability_checker.analyze_model(path, logger=logger)
    with partial_folder(path.parent) as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            converter.convert_onnx_models_to_ort(
                path,
                folder,
                optimization_styles=[converter.OptimizationStyle.Fixed],
                # Otherwise convolutions get a layout that only x86 has.
                target_platform="arm",
            )
        target = path.with_suffix(".ort")
        with atomic_path(target) as beside:
            beside.write_bytes((folder / target.name).read_bytes())
    return report.getvalue()


def onnx_operators(path: pathlib.Path) -> dict[str, int]:
    """Returns how often each operator occurs in a file, most frequent first."""
    nodes = onnx.load(path, load_external_data=False).graph.node
    return dict(collections.Counter(node.op_type for node in nodes).most_common())


def _name_dimensions(graph: onnx.GraphProto, layout: str) -> None:
    axes = ("batch", "height", "width", 3) if layout == "nhwc" else ("batch", 3, "height", "width")
    for value in (*graph.input, *graph.output):
        for dimension, axis in zip(value.type.tensor_type.shape.dim, axes):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = axis
    # These still have the converter's names; a reader infers them again.
    del graph.value_info[:]


def _describe(converted: onnx.ModelProto, model: DRGN, layout: str, name: str) -> None:
    description = "Enhances low-light photos (DRGN, Jiang et al., AAAI 2022)."
    converted.graph.name = name
    converted.graph.doc_string = converted.doc_string = description
    for value in converted.graph.input:
        value.doc_string = INPUTS[value.name]
    for value in converted.graph.output:
        value.doc_string = OUTPUTS["brightness" if value.name == AIMED else value.name]
    onnx.helper.set_model_props(
        converted,
        {
            "name": name,
            "description": description,
            "version": __version__,
            "author": "drgn-tf",
            "license": "Apache-2.0",
            "layout": layout.upper(),
            "colours": "RGB",
            "range": "0 to 1",
            "thumbnail_size": str(model.options.thumbnail_size),
        },
    )
