"""Where crops begin, and the flips and rotations of them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.data.augmentation import (
    apply_symmetry,
    random_exposure,
    random_offset,
    random_symmetry,
)

SEEDS = np.stack([np.full(400, 7), np.arange(400)], axis=1)


def draw_all(draw, signature) -> np.ndarray:
    """Draws once with each of 400 seeds."""
    return tf.map_fn(draw, tf.constant(SEEDS), fn_output_signature=signature).numpy()


def offsets(height: int, width: int, crop: int) -> np.ndarray:
    size = tf.constant([height, width])
    return draw_all(
        tf.function(lambda seed: random_offset(size, crop, seed)), tf.TensorSpec([2], tf.int32)
    )


def test_symmetries_are_quarter_turns_then_a_mirror(photo):
    square = photo[:32, :32]
    for symmetry in range(8):
        expected = np.rot90(square, symmetry % 4)
        if symmetry >= 4:
            expected = np.fliplr(expected)
        returned = apply_symmetry(tf.constant(square), tf.constant(symmetry))
        assert returned.shape == (32, 32, 3)
        np.testing.assert_array_equal(returned, expected)


def test_the_eight_symmetries_are_all_different(photo):
    square = tf.constant(photo[:32, :32])
    images = [apply_symmetry(square, tf.constant(symmetry)).numpy() for symmetry in range(8)]
    for first, second in itertools.combinations(images, 2):
        assert (first != second).mean() > 0.5


def test_symmetry_keeps_shape_and_type_inside_a_graph(photo):
    square = tf.constant(photo[:32, :32] / 255.0, tf.float32)
    turned = tf.function(apply_symmetry)(square, tf.constant(3))
    assert turned.shape == (32, 32, 3)
    np.testing.assert_array_equal(turned, np.rot90(square, 3))


def test_all_eight_symmetries_are_drawn_about_equally_often():
    counts = np.bincount(draw_all(random_symmetry, tf.int32), minlength=8)
    # 50 expected of each; the standard deviation is 6.6.
    assert counts.shape == (8,) and counts.min() > 20 and counts.max() < 80


def test_photo_as_large_as_the_crop_has_one_offset():
    assert not offsets(24, 24, 24).any()


def test_one_tight_side_leaves_the_other_free():
    tops, lefts = offsets(24, 30, 24).T
    assert not tops.any()
    assert set(lefts) == set(range(7))


@pytest.mark.parametrize(("height", "width", "crop"), [(20, 28, 16), (17, 40, 16), (60, 31, 28)])
def test_offsets_stay_inside_and_reach_both_ends(height, width, crop):
    for drawn, room in zip(offsets(height, width, crop).T, (height - crop, width - crop)):
        assert drawn.min() == 0
        assert drawn.max() == room


def test_offsets_are_drawn_about_equally_often():
    tops, lefts = offsets(19, 19, 16).T
    for drawn in (tops, lefts):
        counts = np.bincount(drawn, minlength=4)
        # 100 expected of each; the standard deviation is 8.7.
        assert counts.min() > 60 and counts.max() < 140


def test_top_and_left_are_drawn_independently():
    tops, lefts = offsets(116, 116, 16).T
    assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.2


def test_exposures_darken_as_often_as_they_brighten():
    drawn = np.log2([random_exposure(0.5, [3, number]) for number in range(400)])
    assert abs(drawn).max() <= 0.5 + 1e-6
    # The standard deviation of the mean is 0.5 / sqrt(3 * 400) = 0.014.
    assert abs(drawn.mean()) < 0.06 and drawn.min() < -0.45 and drawn.max() > 0.45


def test_equal_seeds_draw_equal_values():
    size = tf.constant([300, 451])
    first = [random_offset(size, 32, [5, 6]).numpy(), random_symmetry([5, 6]).numpy()]
    tf.random.set_seed(1)
    second = [random_offset(size, 32, [5, 6]).numpy(), random_symmetry([5, 6]).numpy()]
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]
    assert random_offset(size, 32, [5, 7]).numpy().tolist() != first[0].tolist()
