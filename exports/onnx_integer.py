"""ONNX files that say how to compute all pixels in integers: QDQ, for NPUs.

Every result per pixel is rounded to 16 bits by a QuantizeLinear and a DequantizeLinear, weights to
8 bits with a scale per output channel. Runtimes of NPUs read these pairs and compute in integers
between them; others, ONNX Runtime's CPU among them, compute in float what the integers would give.
What goes in and comes out, and what is made of thumbnail and brightness alone, is float32.

8 bits throughout do not do: docs/onnx.md says how far off they are. Ranges are four times those
observed, as in `tflite_integer`: 16 bits have steps to spare, and a bright photo that is to become
darker is then right too.
"""

from __future__ import annotations

import copy
import pathlib
from collections.abc import Iterator, Sequence, Set

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, version_converter

from drgn_tf.exports.calibration import CalibrationSample
from drgn_tf.exports.tflite_int8 import byte_kernel
from drgn_tf.files import partial_folder

# The first whose QuantizeLinear takes 16 bits.
_OPSET = 21
_MARGIN = 4.0


def with_integers(
    model: onnx.ModelProto,
    samples: Sequence[CalibrationSample],
    layout: str,
    scratch: pathlib.Path,
) -> onnx.ModelProto:
    """Returns a model with quantised pixels; see the module.

    Args:
      model: in float32, tiled, of fixed size.
      samples: of its size.
      layout: "nhwc" or "nchw".
      scratch: a folder in which to write.
    """
    # Here: it is needed by few, and imports much.
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = version_converter.convert_version(model, _OPSET)
    kept_float = _without_image(model.graph)
    _round_kernels(model.graph, kept_float)
    feeds = [_feeds(model.graph, sample, layout) for sample in samples]
    ranges = _observed_ranges(model, feeds)
    overrides = {
        name: [{"quant_type": QuantType.QUInt16, "rmin": least, "rmax": greatest}]
        for name, (least, greatest) in ranges.items()
    }
    # It then does not ask for shape inference, which has been done.
    add_pre_process_metadata(model)
    with partial_folder(scratch) as folder:
        quantize_static(
            model,
            folder / "quantised.onnx",
            _Feeds(feeds[:1]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt16,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=sorted(kept_float),
            extra_options={"TensorQuantOverrides": overrides},
        )
        return onnx.load(folder / "quantised.onnx")


class _Feeds:
    """Inputs, as ONNX Runtime's quantiser asks for them."""

    def __init__(self, feeds: Sequence[dict[str, np.ndarray]]):
        self._feeds: Iterator[dict[str, np.ndarray]] = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def _feeds(graph: onnx.GraphProto, sample: CalibrationSample, layout: str) -> dict[str, np.ndarray]:
    image, thumbnail = sample.image[np.newaxis] / np.float32(255), sample.thumbnail
    if layout == "nchw":
        image, thumbnail = (x.transpose(0, 3, 1, 2) for x in (image, thumbnail))
    feeds = {"image": image, "thumbnail": thumbnail, "brightness": sample.brightness}
    return {value.name: feeds[value.name] for value in graph.input}


def _round_kernels(graph: onnx.GraphProto, kept_float: Set[str]) -> None:
    """Puts kernels on steps of 8 bits, which the quantiser leaves as they are."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    kernels = {node.input[1] for node in convolutions if node.name not in kept_float}
    for tensor in graph.initializer:
        if tensor.name in kernels:
            kernel = numpy_helper.to_array(tensor)
            levels, scales = byte_kernel(kernel.transpose(0, 2, 3, 1))
            rounded = levels.transpose(0, 3, 1, 2) * scales[:, np.newaxis, np.newaxis, np.newaxis]
            tensor.CopyFrom(numpy_helper.from_array(rounded.astype(np.float32), tensor.name))


def _observed_ranges(
    model: onnx.ModelProto, feeds: Sequence[dict[str, np.ndarray]]
) -> dict[str, tuple[np.float32, np.float32]]:
    """Returns (minimum, maximum) of all results, and of the image, with the margin."""
    watched = copy.deepcopy(model)
    del watched.graph.output[:]
    names = [name for node in watched.graph.node for name in node.output]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    extremes = {name: (np.float32(0), np.float32(0)) for name in names}
    for feed in feeds:
        for name, values in zip(names, session.run(names, feed), strict=True):
            least, greatest = extremes[name]
            extremes[name] = min(least, values.min()), max(greatest, values.max())
    margin = np.float32(_MARGIN)
    ranges = {name: (margin * least, margin * most) for name, (least, most) in extremes.items()}
    known = np.float32(0), np.float32(1)
    return ranges | {"image": known, "enhanced": known}


def _without_image(graph: onnx.GraphProto) -> set[str]:
    """Returns the names of the nodes that compute nothing of the image."""
    known = {value.name for value in graph.input if value.name != "image"}
    known |= {tensor.name for tensor in graph.initializer} | {""}
    found = set()
    for node in graph.node:
        if known.issuperset(node.input):
            known.update(node.output)
            found.add(node.name)
    return found
