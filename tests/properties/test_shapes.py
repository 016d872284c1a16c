"""Photos of any shape, cut into tiles of any size."""

from __future__ import annotations

import pathlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from drgn_tf.inference import Driver, Enhancer, Tiling
from drgn_tf.inference.thumbnail import photo_thumbnail
from drgn_tf.inference.tiling import spans


class Same(Driver):
    """A network that changes nothing."""

    kind, path, outputs, thumbnail_size = "onnx", pathlib.Path("same.onnx"), ("enhanced",), 8
    takes_brightness = False

    def __init__(self, size):
        self.size = size

    def run(self, images, thumbnails=None, brightness=None):
        assert images.dtype == np.float32 and thumbnails.shape == (1, 8, 8, 3)
        assert self.size in (None, images.shape[1:3])
        return {"enhanced": images}


@given(
    length=st.integers(1, 3000),
    tile=st.integers(1, 200).map(lambda n: 4 * n),
    margin=st.integers(0, 60),
    feather=st.integers(0, 60),
)
def test_tiles_cover_every_pixel_once(length, tile, margin, feather):
    try:
        found = spans(length, tile, margin, feather)
    except ValueError:
        assert length > tile and 2 * margin + feather + 4 >= tile
        return
    total = np.zeros(length)
    for span in found:
        assert span.start % 4 == 0 and 0 <= span.start < span.stop <= length
        assert span.stop - span.start <= tile and span.weights.min() >= 0
        total[span.start : span.stop] += span.weights
    # Shares of float32 positions: 2^-23 of 3000, divided by a feather of at least 1.
    np.testing.assert_allclose(total, 1, atol=4e-4)
    # What is near an inner edge of a tile counts for nothing.
    for span in found:
        if span.start:
            assert not span.weights[: max(0, margin - 1)].any()
        if span.stop < length:
            assert not span.weights[len(span.weights) - max(0, margin - 1) :].any()


@given(
    photo=npst.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 150), st.integers(1, 150), st.just(3)),
    ),
    size=st.sampled_from([None, (32, 48), (64, 16)]),
    tile=st.sampled_from([32, 64, 1024]),
)
def test_tiles_put_together_are_the_photo(photo, size, tile):
    enhancer = Enhancer(Same(size), Tiling(tile, margin=8, feather=4))
    result = enhancer(photo)
    assert result.dtype == photo.dtype
    # Two to four shares of float32 add up to 1 within 2^-22, a part of a level of 16 bits.
    np.testing.assert_allclose(result.astype(int), photo, atol=1)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 8, 32]))
def test_thumbnails_keep_an_even_colour(height, width, size):
    photo = np.full((height, width, 3), [0, 100, 255], np.uint8)
    thumbnail = photo_thumbnail(photo, size)
    assert thumbnail.shape == (1, size, size, 3) and thumbnail.dtype == np.float32
    np.testing.assert_allclose(thumbnail[0], np.full((size, size, 3), [0, 100 / 255, 1]), atol=1e-6)


@given(npst.arrays(npst.scalar_dtypes(), npst.array_shapes(min_dims=0, max_dims=4, max_side=5)))
def test_what_is_no_photo_is_a_value_error(array):
    try:
        result = Enhancer(Same(None))(array)
    except ValueError as error:
        assert "a photo is" in str(error) or "a float photo lies" in str(error)
    else:
        assert result.shape == array.shape and result.dtype == array.dtype
