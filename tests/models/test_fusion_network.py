"""The fusion network on its own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.models import MultiResolutionFusionNetwork, preset
from tests.tolerances import network_rounding

WIDTH = preset("tiny").told_width
CONTEXT = np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, 1, 1, WIDTH)


def network(**changes) -> MultiResolutionFusionNetwork:
    keras.utils.set_random_seed(7)
    made = MultiResolutionFusionNetwork(preset("tiny", **changes))
    made.build()
    return made


@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (16, 20)])
def test_image_in_image_out(low_photo, scales, size):
    image = low_photo[:, : size[0], : size[1]]
    made = network(scales=scales)(image, CONTEXT)
    assert made.shape == image.shape
    assert np.isfinite(made).all() and np.std(made) > 0


@pytest.mark.parametrize("scales", [1, 3])
def test_a_new_network_draws_no_grid(scales):
    flat = np.full((1, 96, 96, 3), 0.3, np.float32)
    inside = np.asarray(network(scales=scales)(flat, CONTEXT))[:, 44:52, 44:52]
    assert np.ptp(inside, axis=(1, 2)).max() < network_rounding()


def test_an_image_on_the_grid_needs_no_padding(low_photo):
    image = low_photo[:, :16, :20]
    made = network()
    np.testing.assert_array_equal(made(image, CONTEXT), made(image, CONTEXT, aligned=True))


def test_each_image_has_its_own_context(low_photo):
    made = network()
    image = low_photo[:, :16, :20]
    contexts = np.concatenate([CONTEXT, -3 * CONTEXT])
    both = made(np.concatenate([image, image]), contexts)
    for index in range(2):
        alone = made(image, contexts[index : index + 1])
        np.testing.assert_allclose(both[index], alone[0], atol=network_rounding())
    assert np.abs(both[0] - both[1]).max() > 1e-4


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_every_scale_reaches_the_result(low_photo, scale):
    image = low_photo[:, :16, :20]
    made = network()
    before = made(image, CONTEXT).numpy()
    kernel = made.branches[scale].stem.convolution.kernel
    kernel.assign(0 * kernel)
    assert np.abs(made(image, CONTEXT) - before).max() > 1e-4


def test_coarser_features_help_the_finer_branches(low_photo):
    image = low_photo[:, :16, :20]
    made = network()
    # The fusion is left with the finest branch alone, the last of its inputs.
    width = made.options.width
    kernel = made.fuse.kernel.numpy()
    kernel[:, :, :-width] = 0
    made.fuse.kernel.assign(kernel)
    before = made(image, CONTEXT).numpy()
    coarsest = made.branches[2].stem.convolution.kernel
    coarsest.assign(0 * coarsest)
    assert np.abs(made(image, CONTEXT) - before).max() > 1e-4


def test_fine_features_reach_the_decoder_past_the_fusion(low_photo):
    image = low_photo[:, :16, :20]
    made = network()
    made.up.kernel.assign(0 * made.up.kernel)
    before = made(image, CONTEXT).numpy()
    for scale in (0, 1):
        kernel = made.branches[scale].half_stem.convolution.kernel
        kernel.assign(0 * kernel)
        after = made(image, CONTEXT).numpy()
        assert np.abs(after - before).max() > 1e-4
        before = after


def test_result_is_not_limited(low_photo):
    made = network()
    made.to_image.bias.assign([-3.0, 5.0] * 6)
    image = made(low_photo[:, :16, :20], CONTEXT)
    assert np.min(image) < -1 and np.max(image) > 2
