"""Tiles must give the photo that the network gives as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from drgn_tf.inference import Driver, Enhancer, ModelFileError, Tiling
from drgn_tf.inference.tiling import spans
from tests.tolerances import network_rounding


@pytest.mark.parametrize("length", [65, 127, 200, 451, 1023])
@pytest.mark.parametrize("tile, margin, feather", [(64, 8, 8), (64, 0, 0), (64, 20, 3)])
def test_shares_add_up_and_margins_have_none(length, tile, margin, feather):
    found = spans(length, tile, margin, feather)
    total = np.zeros(length)
    for span in found:
        assert span.start % 4 == 0
        assert 0 < span.stop - span.start <= tile
        total[span.start : span.stop] += span.weights
        if span.start:
            assert not span.weights[:margin].any()
        if span.stop < length:
            assert not span.weights[len(span.weights) - margin :].any()
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    assert found[0].start == 0 and found[-1].stop == length


def test_tiles_too_small_for_their_margins_are_refused():
    with pytest.raises(ValueError, match="tiles of 64 pixels are too small"):
        Tiling(tile=64, margin=32)


def test_what_takes_photos_whole_alone_takes_no_large_ones():
    class Whole(Driver):
        kind, path, size, thumbnail_size, outputs = "onnx", "net.onnx", None, None, ("enhanced",)
        takes_brightness = False

        def run(self, images, thumbnails=None, brightness=None):
            raise AssertionError("was run")

    with pytest.raises(ModelFileError, match=r"8192x4097 is too large .* give a 'tiled' file"):
        Enhancer(Whole()).tile_count(4097, 8192)


def test_photos_smaller_than_a_tile_are_continued_by_their_edges(dark):
    class Recorder(Driver):
        size, thumbnail_size, takes_brightness, outputs = (32, 48), 8, False, ("enhanced",)

        def run(self, images, thumbnails=None, brightness=None):
            self.seen = images[0]
            return {"enhanced": images}

    recorder, photo = Recorder(), dark[100:120, 200:230]
    np.testing.assert_array_equal(Enhancer(recorder)(photo), photo)
    expected = np.pad(photo, [(0, 12), (0, 18), (0, 0)], mode="edge")
    np.testing.assert_array_equal(recorder.seen, expected / np.float32(255))


@pytest.mark.parametrize("name, bound", [("enhanced", 1 / 255), ("degradation", 1 / 255)])
def test_tiled_equals_whole(driver, dark, name, bound):
    # Random weights look further than trained ones: with margins as far as they look.
    tiled = Enhancer(driver, Tiling(tile=256, margin=88, feather=16)).stages(dark)
    automatic = Enhancer(driver).stages(dark)
    assert np.abs(tiled[name] - automatic[name]).max() < network_rounding(magnitude=2)
    # All tiles are told one value, the darker of the two.
    given = {"exposure": -0.5, "brightness": 0.6}
    tiled, whole = (
        Enhancer(driver, tiling).stages(dark, **given)
        for tiling in (Tiling(tile=256, margin=88, feather=16), Tiling())
    )
    assert np.abs(tiled[name] - whole[name]).max() < network_rounding(magnitude=2)
    hurried = Enhancer(driver, Tiling(tile=128, margin=16, feather=16)).stages(dark)
    assert np.abs(hurried[name] - automatic[name]).mean() < bound


def test_no_seam_without_a_margin_either(driver, dark):
    # Brightness is the whole photo's: what is left at the borders is small. Beside the contrast,
    # because random weights may make any, and values that are cut off at 0 and 255 agree.
    hard = Enhancer(driver, Tiling(tile=128, margin=0, feather=0))(dark).astype(int)
    whole = Enhancer(driver)(dark)
    assert np.abs(hard - whole).mean() < 0.02 * whole.std()


class FixedSize(Driver):
    """Takes 64x96 only, and brightens by the photo's own mean: a stand-in for exported files."""

    kind = "tflite"
    path = "fixed.tflite"
    size = (64, 96)
    thumbnail_size = 16
    takes_brightness = False
    outputs = ("enhanced",)

    def run(self, images, thumbnails=None, brightness=None):
        assert images.shape == (1, 64, 96, 3)
        return {"enhanced": np.clip(images * (0.4 / thumbnails.mean()), 0, 1)}


@pytest.mark.parametrize("height, width", [(1, 1), (64, 96), (63, 300), (300, 95), (150, 201)])
def test_a_fixed_size_takes_photos_of_any_size(dark, height, width):
    photo = dark[:height, :width]
    enhancer = Enhancer(FixedSize())
    mean = enhancer.thumbnail(photo).mean()
    expected = np.round(np.clip(photo / np.float32(255) * (0.4 / mean), 0, 1) * 255)
    assert np.abs(enhancer(photo) - expected).max() <= 1


@pytest.mark.parametrize("arguments", [{"exposure": 1.0}, {"brightness": 0.4}])
def test_an_artefact_that_takes_no_brightness_says_so(dark, arguments):
    with pytest.raises(ModelFileError, match=r"fixed\.tflite: (takes no|cannot be told a) bright"):
        Enhancer(FixedSize())(dark, **arguments)


def test_without_a_thumbnail_only_whole_photos_are_taken(dark):
    driver = FixedSize()
    driver.thumbnail_size = None
    with pytest.raises(ModelFileError, match=r"takes only photos of 96x64, and this is 451x300"):
        Enhancer(driver)(dark)


def test_tiles_are_counted_for_progress(driver, dark):
    enhancer = Enhancer(driver, Tiling(tile=128, margin=16, feather=16))
    calls = []
    enhancer(dark, on_tile=lambda: calls.append(1))
    assert len(calls) == enhancer.tile_count(*dark.shape[:2]) == 24
