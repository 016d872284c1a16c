"""Faults planted in real artefacts and in the network itself are refused by the verification."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from drgn_tf.errors import UserError
from drgn_tf.exports.tflite_metadata import packed, text, unpacked
from drgn_tf.exports.verification import BOUNDS, SIZES, verify
from drgn_tf.inference import Driver, load_driver
from drgn_tf.inference.keras_driver import KerasDriver

pytestmark = pytest.mark.long

PRECISIONS = ["float32", "float16", "dynamic_range", "int8", "int16x8", "integer"]


class Remembered(KerasDriver):
    """The network, which computes each result once."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._results = {}

    def run(self, *arrays):
        key = tuple(None if x is None else (x.shape, x.tobytes()) for x in arrays)
        if key not in self._results:
            self._results[key] = super().run(*arrays)
        return self._results[key]


@pytest.fixture(scope="module")
def reference(tiny_model) -> KerasDriver:
    return Remembered(tiny_model, pathlib.Path("tiny.keras"))


class Faulty(Driver):
    """An artefact with a fault in front of it and one behind it.

    Args:
      artefact: whose results are spoiled.
      before: images -> images.
      after: (images, enhanced photos) -> enhanced photos.
    """

    def __init__(self, artefact, before=lambda images: images, after=lambda images, result: result):
        self.kind, self.path, self.outputs = artefact.kind, artefact.path, artefact.outputs
        self.size, self.thumbnail_size = artefact.size, artefact.thumbnail_size
        self.takes_brightness = artefact.takes_brightness
        self._artefact, self._before, self._after = artefact, before, after

    def run(self, images, thumbnails=None, brightness=None):
        results = self._artefact.run(self._before(images), thumbnails, brightness)
        return {**results, "enhanced": self._after(images, results["enhanced"])}


@pytest.fixture
def spoiled(tflite_file, tmp_path):
    """Gives a driver of a .tflite file after a change of its parsed model."""

    def driver(precision: str, spoil) -> Driver:
        model = unpacked(tflite_file(precision).read_bytes())
        spoil(model)
        path = tmp_path / f"{precision}.tflite"
        path.write_bytes(packed(model))
        return load_driver(path, trusted=True)

    return driver


def kernels(model) -> list[int]:
    """Returns the tensors that are kernels of floats, without biases and slopes."""
    return [
        index
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if tensor.type == 0
        and tensor.shape is not None
        and len(tensor.shape) == 4
        and model.buffers[tensor.buffer].data is not None
    ]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_files_that_are_packed_anew_pass(spoiled, reference, dark_photos, precision):
    artefact = Faulty(spoiled(precision, lambda model: None))
    verify(artefact, reference, dark_photos[:1], BOUNDS[precision])


def test_every_kernel_that_is_off_by_a_percent_is_refused(
    spoiled, reference, dark_photos, tflite_file
):
    found = kernels(unpacked(tflite_file("float32").read_bytes()))
    # Of each generator 16 of 3x3 pixels and those of 1x1 of its attention; context; brightness.
    assert len(found) > 60
    for index in found:

        def spoil(model, index=index):
            buffer = model.buffers[model.subgraphs[0].tensors[index].buffer]
            values = np.frombuffer(bytes(buffer.data), np.float32) * np.float32(1.01)
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)

        with pytest.raises(UserError, match="differs from the network by"):
            verify(spoiled("float32", spoil), reference, dark_photos[:1], BOUNDS["float32"])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_swapped_channels_are_refused(tflite_file, reference, dark_photos, precision, side):
    artefact = load_driver(tflite_file(precision), trusted=True)
    swap = {
        "before": lambda images: images[..., ::-1],
        "after": lambda images, result: result[..., ::-1],
    }
    # A network of random weights hardly tells the colours of dark photos apart.
    photos = [np.clip(5.0 * photo, 0, 255).astype(np.uint8) for photo in dark_photos]
    with pytest.raises(UserError, match=r"differs from the network|dB from the network"):
        verify(Faulty(artefact, **{side: swap[side]}), reference, photos, BOUNDS[precision])


@pytest.mark.parametrize("size", [None, (64, 96)])
def test_nan_of_black_pixels_alone_is_refused(reference, dark_photos, size):
    """As a logarithm without an offset gives: normal photos show nothing of it."""

    def after(images, result):
        return np.where((images == 0).all(-1, keepdims=True), np.float32(np.nan), result)

    artefact = Faulty(reference, after=after)
    artefact.size = size
    with pytest.raises(UserError, match="gives NaN or infinity"):
        verify(artefact, reference, dark_photos, BOUNDS["float32"])
    bright = [np.maximum(photo, 1) for photo in dark_photos]
    verify(artefact, reference, bright, BOUNDS["float32"])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("levels", [-1, 1])
def test_a_level_of_brightness_is_refused(tflite_file, reference, dark_photos, precision, levels):
    def after(images, result):
        return np.clip(result + np.float32(levels / 255), 0, 1)

    artefact = load_driver(tflite_file(precision), trusted=True)
    with pytest.raises(UserError, match=r"from the network|levels of 255 brighter"):
        verify(Faulty(artefact, after=after), reference, dark_photos[:1], BOUNDS[precision])


@pytest.mark.parametrize("wrong", SIZES)
def test_a_fault_at_one_of_the_sizes_is_refused(reference, dark_photos, wrong):
    def after(images, result):
        # Towards the middle, so that it stays within [0, 1].
        nearer = result + np.float32(2e-5) * np.sign(np.float32(0.5) - result)
        return nearer if images.shape[1:3] == wrong else result

    with pytest.raises(UserError, match=f"{wrong[1]}x{wrong[0]}.*differs from the network by"):
        verify(Faulty(reference, after=after), reference, dark_photos[:1], BOUNDS["float32"])


@pytest.mark.parametrize("photo", [0, 1])
def test_a_fault_on_one_photo_is_refused_and_counts(reference, dark_photos, photo):
    chosen = dark_photos[photo][:17, :2] / np.float32(255)

    def after(images, result, by=1e-3):
        fits = images.shape[1:3] == (17, 2) and np.array_equal(images[0], chosen)
        return np.clip(result - np.float32(by), 0, 1) if fits else result

    with pytest.raises(UserError, match=f"photo {photo + 1}, 2x17"):
        verify(Faulty(reference, after=after), reference, dark_photos, BOUNDS["float32"])
    agreement = verify(Faulty(reference, after=after), reference, dark_photos, BOUNDS["float16"])
    assert 9e-4 < agreement.max_error < 1.1e-3 and 59 < agreement.psnr < 61


@pytest.mark.parametrize(
    "name, factor",
    [("image", 0.1), ("enhanced", 0.1), ("enhanced", 0.9), ("enhanced", 1.1), ("enhanced", 10)],
)
def test_a_wrong_scale_of_int8_is_refused(spoiled, reference, dark_photos, name, factor):
    """A tenth is what calibration on dark photos gives of itself.

    Other scales of the image only make it coarser here, where it is fed by the file's own scale;
    the export refuses them, as apps feed bytes.
    """

    def spoil(model):
        graph = model.subgraphs[0]
        tensors = [graph.tensors[index] for index in (*graph.inputs, *graph.outputs)]
        tensor = next(tensor for tensor in tensors if text(tensor.name) == name)
        tensor.quantization.scale = np.float32(tensor.quantization.scale) * np.float32(factor)

    with pytest.raises(UserError, match=r"dB from the network|not in \[0, 1\]"):
        verify(spoiled("int8", spoil), reference, dark_photos, BOUNDS["int8"])


@pytest.mark.parametrize("precision", ["int8", "int16x8", "integer", "dynamic_range"])
def test_scales_of_a_kernel_in_another_order_are_refused(
    spoiled, reference, dark_photos, precision
):
    def spoil(model):
        for tensor in model.subgraphs[0].tensors:
            scales = tensor.quantization and tensor.quantization.scale
            # One for each channel of `to_image`.
            if scales is not None and len(scales) == 12:
                tensor.quantization.scale = np.roll(scales, 1) * np.float32(1.5)

    with pytest.raises(UserError, match="dB from the network"):
        verify(spoiled(precision, spoil), reference, dark_photos, BOUNDS[precision])
