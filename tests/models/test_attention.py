"""Channel attention and the block it is part of."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.models.attention import ChannelAttention, ResidualChannelAttentionBlock
from tests.tolerances import rounding

# Libraries compute it from polynomials, of some ten operations above and below the line.
SIGMOID = rounding(20)


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 5, 6, 8)).astype(np.float32)


@pytest.fixture
def context() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(2, 1, 1, 4)).astype(np.float32)


def made(layer_class):
    keras.utils.set_random_seed(3)
    layer = layer_class(reduction=2)
    layer.build((None, None, None, 8), (None, 1, 1, 4))
    return layer


def test_a_new_attention_only_weights_channels(features, context):
    weights = made(ChannelAttention)(features, context) / features
    # One weight per image and channel, from a sigmoid.
    np.testing.assert_allclose(
        weights, np.broadcast_to(weights[:, :1, :1], weights.shape), rtol=1e-4
    )
    assert np.min(weights) > 0 and np.max(weights) < 1
    assert np.std(weights[0, 0, 0]) > 0.01
    assert np.abs(weights[0, 0, 0] - weights[1, 0, 0]).max() > 0.01


def test_attention_by_hand():
    layer = made(ChannelAttention)
    squeeze, excite, shift = (
        np.zeros(kernel.shape, np.float32)
        for kernel in (layer.squeeze.kernel, layer.excite.kernel, layer.shift.kernel)
    )
    squeeze[..., :2, 0] = [1.0, -2.0]
    excite[..., 0, 3] = 0.5
    shift[..., 0, 5] = 0.25
    layer.squeeze.kernel.assign(squeeze)
    layer.excite.kernel.assign(excite)
    layer.shift.kernel.assign(shift)

    features = np.full((1, 2, 2, 8), 3.0, np.float32)
    context = np.float32([7.0, 2.0, 9.0, 9.0]).reshape(1, 1, 1, 4)
    squeezed = 1.0 * 7.0 - 2.0 * 2.0
    expected = np.full(8, 3.0 * 0.5)
    expected[3] = 3.0 / (1 + np.exp(-0.5 * squeezed))
    expected[5] = 3.0 * 0.5 + 0.25 * squeezed
    result = layer(features, context).numpy()
    np.testing.assert_allclose(result[0], np.broadcast_to(expected, (2, 2, 8)), rtol=SIGMOID)

    # The bottleneck leaks: below 0 a fifth passes, so that no unit is dead.
    result = layer(features, -context).numpy()
    expected[3] = 3.0 / (1 + np.exp(-0.5 * -0.2 * squeezed))
    expected[5] = 3.0 * 0.5 + 0.25 * -0.2 * squeezed
    np.testing.assert_allclose(result[0], np.broadcast_to(expected, (2, 2, 8)), rtol=SIGMOID)


def test_a_block_that_has_nothing_to_add_returns_its_input(features, context):
    block = made(ResidualChannelAttentionBlock)
    assert np.abs(block(features, context) - features).max() > 0.01
    block.second.kernel.assign(np.zeros(block.second.kernel.shape))
    np.testing.assert_array_equal(block(features, context), features)


@pytest.mark.parametrize("layer_class", [ChannelAttention, ResidualChannelAttentionBlock])
def test_configuration_remakes_the_layer(layer_class):
    layer = layer_class(reduction=2, name="mine")
    copy = layer_class.from_config(layer.get_config())
    assert (copy.reduction, copy.name) == (2, "mine")
