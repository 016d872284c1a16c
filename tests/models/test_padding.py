"""Padding to the grid and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.models.padding import crop_like, pad_to_multiple

ANY_SIZE = tf.TensorSpec([None, None, None, 3])


@pytest.mark.parametrize("multiple", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 8), (5, 9), (37, 53)])
def test_the_last_row_and_column_are_repeated(low_photo, size, multiple):
    height, width = size
    photo = low_photo[:, :height, :width]
    missing = [(0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)]
    expected = np.pad(photo, missing, mode="edge")
    np.testing.assert_array_equal(pad_to_multiple(photo, multiple), expected)
    traced = tf.function(lambda x: pad_to_multiple(x, multiple), input_signature=[ANY_SIZE])
    np.testing.assert_array_equal(traced(photo), expected)


def test_known_sizes_stay_known_in_a_graph():
    traced = tf.function(lambda x: pad_to_multiple(x, 4))
    concrete = traced.get_concrete_function(tf.TensorSpec([None, 5, 8, 3]))
    assert concrete.structured_outputs.shape.as_list() == [None, 8, 8, 3]


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (8, 12)])
def test_crop_undoes_padding(low_photo, size):
    photo = low_photo[:, : size[0], : size[1]]
    np.testing.assert_array_equal(crop_like(pad_to_multiple(photo, 4), photo), photo)
    traced = tf.function(lambda x: crop_like(pad_to_multiple(x, 4), x), input_signature=[ANY_SIZE])
    np.testing.assert_array_equal(traced(photo), photo)


def test_crop_ignores_the_channels_of_its_reference():
    x = np.zeros((2, 8, 8, 5), np.float32)
    assert crop_like(x, np.zeros((2, 5, 7, 1))).shape == (2, 5, 7, 5)
