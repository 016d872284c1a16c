"""Faults that have been handed over by other exports must be refused here."""

from __future__ import annotations

import functools
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.errors import UserError
from drgn_tf.exports.verification import BOUNDS, SIZES, verify, verify_serving
from drgn_tf.inference import Driver
from drgn_tf.inference.keras_driver import KerasDriver


class Changed(Driver):
    """The network, with its results changed."""

    kind = "onnx"
    path = pathlib.Path("net.onnx")
    size = None
    outputs = ("enhanced",)

    takes_brightness = True

    def __init__(self, reference, change=lambda result: result, thumbnail_size=16, aimed=None):
        self._reference, self._change = reference, change
        self._aimed = aimed or (lambda brightness: brightness)
        self.thumbnail_size = thumbnail_size

    def run(self, images, thumbnails=None, brightness=None):
        assert (thumbnails is None) == (self.thumbnail_size is None)
        results = self._reference.run(images, thumbnails, brightness)
        return {
            "enhanced": self._change(results["enhanced"]),
            "brightness": self._aimed(results["brightness"]),
        }


class Untold(Changed):
    """The network, with what is asked for changed on its way in."""

    def __init__(self, reference, asked):
        super().__init__(reference)
        self._asked = asked

    def run(self, images, thumbnails=None, brightness=None):
        results = super().run(images, thumbnails, self._asked(brightness))
        # It reports as if nothing were wrong.
        return {**results, "brightness": super().run(images, thumbnails, brightness)["brightness"]}


@pytest.fixture(scope="module")
def reference(tiny_model):
    return KerasDriver(tiny_model, pathlib.Path("tiny.keras"))


def with_nan(result):
    result = result.copy()
    result[0, -1, -1, 0] = np.nan
    return result


@pytest.mark.parametrize(
    "change, precision, said",
    [
        (with_nan, "float32", "gives NaN"),
        (lambda r: r + 2.0, "int8", r"not in \[0, 1\]"),
        (lambda r: r - 2.0, "int8", r"not in \[0, 1\]"),
        (lambda r: r * 0.999, "float32", "differs from the network by"),
        (lambda r: np.clip(r - 0.01, 0, 1), "float16", "2e-03 is allowed"),
        (lambda r: np.clip(r + 0.003, 0, 1), "dynamic_range", "levels of 255 brighter"),
        (lambda r: r * 0.1, "int8", "at least 34 dB"),
        (lambda r: np.clip(r + 0.02, 0, 1), "dynamic_range", "at least 40 dB"),
        (lambda r: np.clip(r + 0.01, 0, 1), "int16x8", "at least 45 dB"),
        (lambda r: r[:, :, :-1], "float32", r"gives float32 \[1, 256, 383, 3\] instead of"),
        (lambda r: (255 * r).astype(np.uint8), "float32", "gives uint8"),
    ],
)
def test_a_changed_result_is_refused(reference, dark_photos, change, precision, said):
    with pytest.raises(UserError, match=f"net.onnx on photo 1.*{said}"):
        verify(Changed(reference, change), reference, dark_photos[:1], BOUNDS[precision])


@pytest.mark.parametrize("thumbnail_size", [16, None])
def test_equal_results_pass_with_their_agreement(reference, dark_photos, thumbnail_size):
    same = Changed(reference, thumbnail_size=thumbnail_size)
    agreement = verify(same, reference, dark_photos[:2], BOUNDS["float32"])
    assert agreement.photos == 2 * len(SIZES) and set(agreement.sizes) == set(SIZES)
    assert agreement.max_error < 1e-5 and agreement.psnr > 100
    assert 0 <= agreement.minimum < agreement.maximum <= 1


def test_an_artefact_of_one_size_is_tried_at_that_size(reference, dark_photos):
    fixed = Changed(reference)
    fixed.size = (700, 20)
    assert verify(fixed, reference, dark_photos[:1], BOUNDS["float32"]).sizes == ((700, 20),)


@pytest.mark.parametrize(
    "asked, said",
    [
        (np.zeros_like, "brightness 0.* differs from the network"),
        (lambda brightness: np.minimum(brightness, 0.3), "brightness 0.* differs"),
        (lambda brightness: np.maximum(brightness, 0.3), "differs from the network"),
        (lambda brightness: 1.02 * brightness, "brightness 0.* differs"),
    ],
)
def test_a_brightness_that_does_not_arrive_is_refused(reference, dark_photos, asked, said):
    with pytest.raises(UserError, match=said):
        verify(Untold(reference, asked), reference, dark_photos[:1], BOUNDS["float32"])


@pytest.mark.parametrize("darker", [True, False])
def test_an_exposure_that_is_heard_in_one_direction_alone_is_refused(
    reference, dark_photos, darker
):
    class Half(Changed):
        def run(self, images, thumbnails=None, brightness=None):
            proposed = self._reference.predicted_brightness(thumbnails)
            heard = (brightness < proposed) if darker else (brightness > proposed)
            changed = np.where(heard, brightness, np.float32(0))
            told = super().run(images, thumbnails, brightness)
            return {**super().run(images, thumbnails, changed), "brightness": told["brightness"]}

    with pytest.raises(UserError, match=r"brightness 0.* differs from the network"):
        verify(Half(reference), reference, dark_photos[:1], BOUNDS["float32"])


@pytest.mark.parametrize(
    "aimed",
    [lambda b: b + 2e-3, lambda b: 0.9 * b, lambda b: np.float32(np.nan) * b, np.zeros_like],
)
def test_a_brightness_that_is_reported_wrong_is_refused(reference, dark_photos, aimed):
    changed = Changed(reference, aimed=aimed)
    with pytest.raises(UserError, match=r"aims at a brightness of .*, the network at 0\."):
        verify(changed, reference, dark_photos[:1], BOUNDS["int8"])


def test_a_tile_that_lost_its_brightness_is_refused(reference, dark_photos):
    deaf = Changed(reference)
    deaf.takes_brightness = False
    with pytest.raises(UserError, match="lost the network's input for the brightness"):
        verify(deaf, reference, dark_photos[:1], BOUNDS["float32"])


@pytest.mark.parametrize("suffix", ["", "_with_brightness"])
def test_bytes_that_are_off_by_a_level_are_refused(
    reference, saved_model, dark_photos, monkeypatch, suffix
):
    model = tf.saved_model.load(str(saved_model))
    key = f"serving_default{suffix}"
    real = model.signatures[key]

    def off(change, **inputs):
        results = real(**inputs)
        return {**results, "enhanced": change(results["enhanced"])}

    for change, said in (
        (lambda image: tf.where(image < 255, image + 1, image), "photo 1: differs"),
        (lambda image: tf.cast(image, tf.float32), "gives float32"),
    ):
        signatures = {**model.signatures, key: functools.partial(off, change)}
        changed = types.SimpleNamespace(signatures=signatures, model=model)
        monkeypatch.setattr(tf.saved_model, "load", lambda path, changed=changed: changed)
        with pytest.raises(UserError, match=f"{key}.*{said}"):
            verify_serving(saved_model, reference, dark_photos)
        monkeypatch.undo()


def test_a_server_that_does_not_hear_the_brightness_is_refused(
    reference, saved_model, dark_photos, monkeypatch
):
    model = tf.saved_model.load(str(saved_model))
    served = types.SimpleNamespace(signatures=model.signatures, model=model)
    monkeypatch.setattr(tf.saved_model, "load", lambda path: served)
    verify_serving(saved_model, reference, dark_photos)
    for key in ("serving_default", "image_bytes", "float_whole"):

        def deaf(brightness, real=model.signatures[f"{key}_with_brightness"], **inputs):
            reported = real(brightness=brightness, **inputs)["brightness"]
            return {**real(brightness=0 * brightness, **inputs), "brightness": reported}

        served.signatures = {**model.signatures, f"{key}_with_brightness": deaf}
        with pytest.raises(UserError, match=f"{key}_with_brightness, photo 1: differs"):
            verify_serving(saved_model, reference, dark_photos)
