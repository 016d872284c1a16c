"""What is known of the whole photo: thumbnails, context vectors, and tiles that agree."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.models.context import ContextEncoder, thumbnail
from tests.tolerances import network_rounding, rounding

# How far a pixel of the tiny network's result depends on its surroundings. One
# generator, in pixels of the 1/4 grid: stem 1, then two convolutions in the block of
# each of three branches and of the fusion, the decoder's convolution there 1, and two
# on the 1/2 grid that together reach 1 further.
GENERATOR_REACH = 4 * (1 + 3 * 2 + 2 + 1 + 1)
# The second generator looks at the result of the first.
REACH = 2 * GENERATOR_REACH
# Of 4x4 pixels, then of four of those: what a thumbnail is made of.
AVERAGE = rounding(4 * 4 + 4)


# ---------------------------------------------------------------- thumbnails


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (37, 53), (300, 451), (64, 64)])
def test_thumbnail_has_one_size_whatever_the_photo(low_photo, shape):
    photo = low_photo[:, : shape[0], : shape[1]]
    small = thumbnail(photo, 16)
    assert small.shape == (1, 16, 16, 3)
    assert photo.min() - AVERAGE <= np.min(small) and np.max(small) <= photo.max() + AVERAGE


def test_thumbnail_of_a_flat_photo_is_its_colour():
    photo = np.broadcast_to(np.float32([0.1, 0.4, 0.9]), (1, 37, 53, 3))
    np.testing.assert_allclose(
        thumbnail(photo, 8), np.broadcast_to(photo[:, :1, :1], (1, 8, 8, 3)), rtol=AVERAGE
    )


def test_thumbnail_tells_how_bright_the_whole_photo_is(low_photo):
    means = np.mean(thumbnail(low_photo, 32), axis=(1, 2))
    np.testing.assert_allclose(means, low_photo.mean(axis=(1, 2)), rtol=0.02)


def test_thumbnail_keeps_the_arrangement():
    photo = np.zeros((1, 64, 96, 3), np.float32)
    photo[:, :32, :48, 0] = photo[:, :32, 48:, 1] = photo[:, 32:, :48, 2] = 1
    small = thumbnail(photo, 8).numpy()[0]
    # Away from the seams in the middle.
    np.testing.assert_allclose(small[:3, :3], np.tile([1.0, 0, 0], (3, 3, 1)), atol=AVERAGE)
    np.testing.assert_allclose(small[:3, 5:], np.tile([0, 1.0, 0], (3, 3, 1)), atol=AVERAGE)
    np.testing.assert_allclose(small[5:, :3], np.tile([0, 0, 1.0], (3, 3, 1)), atol=AVERAGE)


def test_thumbnail_of_a_size_unknown_until_run_time_is_the_same(low_photo):
    traced = tf.function(
        lambda photo: thumbnail(photo, 16), input_signature=[tf.TensorSpec([None, None, None, 3])]
    )
    for height, width in ((1, 1), (37, 53), (128, 64)):
        photo = low_photo[:, :height, :width]
        np.testing.assert_allclose(traced(photo), thumbnail(photo, 16), atol=AVERAGE)


# ---------------------------------------------------------------- context


def test_context_is_one_vector_per_photo(low_photo):
    keras.utils.set_random_seed(9)
    encoder = ContextEncoder(8)
    thumbnails = np.concatenate([thumbnail(low_photo, 16), thumbnail(0.5 * low_photo, 16)])
    vectors = encoder(thumbnails).numpy()
    assert vectors.shape == (2, 1, 1, 8)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    assert ContextEncoder.from_config(encoder.get_config()).width == 8


def test_normalised_context_also_sees_the_scene_without_its_brightness(low_photo):
    """With the weights on the thumbnail as it is at zero, a darker photo looks the same."""
    encoder = ContextEncoder(8, normalised=True)
    thumbnails = np.asarray(thumbnail(np.clip(low_photo, 0.05, None), 16))
    encoder(thumbnails)
    kernel = encoder.convolutions[0].kernel.numpy()
    kernel[:, :, :3] = 0
    encoder.convolutions[0].kernel.assign(kernel)
    vector = encoder(thumbnails).numpy()
    assert np.abs(vector).max() > 1e-3
    np.testing.assert_allclose(encoder(0.3 * thumbnails), vector, atol=1e-5)
    # Not in other light.
    assert np.abs(encoder(thumbnails * np.float32([0.5, 1, 1])) - vector).max() > 1e-3
    assert ContextEncoder.from_config(encoder.get_config()).normalised


def test_normalised_context_of_a_black_photo_is_finite():
    vector = ContextEncoder(8, normalised=True)(np.zeros((1, 16, 16, 3), np.float32))
    assert np.isfinite(vector).all()


def test_by_default_the_thumbnail_is_made_of_the_input(model, low_photo):
    low = low_photo[:, :37, :53]
    given = model(low, model.thumbnail(low), training=True)
    for name, image in model(low, training=True).items():
        np.testing.assert_array_equal(image, given[name])


def test_the_same_pixels_in_a_brighter_photo_become_something_else(model, low_photo):
    low = low_photo[:, :32, :32]
    dark, bright = (model(low, np.full((1, 16, 16, 3), v, np.float32)) for v in (0.05, 0.6))
    for name in ("degradation", "base", "enhanced"):
        assert np.abs(dark[name] - bright[name]).max() > 1e-3


# ---------------------------------------------------------------- tiles


@pytest.fixture(scope="module")
def whole(model, low_photo):
    """An odd-sized photo, its thumbnail, and the network's unlimited result."""
    low = low_photo[:, :287, :303]
    enhanced = model(low, training=True)["enhanced"].numpy()
    # Results that are the same everywhere would agree in tiles too.
    assert enhanced.std() > 0.01
    return low, model.thumbnail(low), enhanced


# First and last row or column of the tile, then of the part that must agree: the borders
# of the photo itself are the tile's too.
MIDDLE = ((8, 280), (8 + REACH, 280 - REACH))
FIRST = ((0, 184), (0, 184 - REACH))
LAST_ROWS = ((100, 287), (100 + REACH, 287))
LAST_COLUMNS = ((108, 303), (108 + REACH, 303))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(MIDDLE, MIDDLE), (FIRST, FIRST), (LAST_ROWS, LAST_COLUMNS), (FIRST, LAST_COLUMNS)],
)
def test_tile_with_the_photos_thumbnail_gives_the_photos_pixels(model, whole, rows, columns):
    low, small, expected = whole
    (top, bottom), (first_row, last_row) = rows
    (left, right), (first_column, last_column) = columns
    tile = model(low[:, top:bottom, left:right], small, training=True)["enhanced"].numpy()
    difference = np.abs(tile - expected[:, top:bottom, left:right])
    inside = difference[
        :, first_row - top : last_row - top, first_column - left : last_column - left
    ]
    assert inside.size > 10000
    assert inside.max() < network_rounding(magnitude=2)
    # The margin is no luxury: at the cut the surroundings are missed.
    assert difference.max() > 1e-3


def test_tile_without_the_photos_thumbnail_gives_other_pixels(model, whole):
    low, _, expected = whole
    (top, bottom), (first, last) = MIDDLE
    tile = model(low[:, top:bottom, top:bottom], training=True)["enhanced"].numpy()
    inside = slice(first - top, last - top)
    difference = tile[:, inside, inside] - expected[:, first:last, first:last]
    assert np.abs(difference).mean() > 1e-4
