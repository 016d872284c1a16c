"""What the presets cost, and whether the counting is right."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.models import DRGN, Discriminator, ModelOptions, macs_per_pixel, preset
from drgn_tf.models.cost import convolutions


def made(options: ModelOptions) -> DRGN:
    model = DRGN(options)
    model.build()
    return model


def test_base_preset_stays_below_two_million_parameters():
    assert made(preset("base")).count_params() <= 2_000_000


def test_mobile_preset_stays_within_its_budget():
    mobile = made(preset("mobile"))
    assert mobile.count_params() <= 100_000
    assert macs_per_pixel(mobile) <= 20_000


# One scale, one block in the fusion, and no degradation generator.
SMALL = ModelOptions(
    width=8,
    half_width=4,
    scales=1,
    branch_blocks=0,
    fusion_blocks=1,
    reduction=4,
    context_width=4,
    thumbnail_size=8,
    two_step=False,
)
# Output pixels x output channels x kernel size x input channels of each convolution.
SMALL_CONTEXT = (
    (4 * 4) * 2 * (3 * 3) * 3  # 8x8 thumbnail to 4x4
    + (2 * 2) * 4 * (3 * 3) * 2
    + (1 * 1) * 4 * (3 * 3) * 4
)
# On a 16x16 image: the 1/2 grid has 8x8 pixels, the 1/4 grid 4x4.
SMALL_GENERATOR = (
    (8 * 8) * 4 * (3 * 3) * (4 * 3)  # half stem, after space_to_depth of RGB
    + (4 * 4) * 8 * (3 * 3) * 4  # stem
    + (4 * 4) * 8 * (1 * 1) * 8  # fuse, of one branch
    + 2 * (4 * 4) * 8 * (3 * 3) * 8  # both convolutions of the block
    + (8 // 4) * 4  # squeeze the context to width / reduction
    + 2 * 8 * (8 // 4)  # excite and shift
    + (4 * 4) * (4 * 4) * (3 * 3) * 8  # up, before depth_to_space
    + (8 * 8) * 4 * (3 * 3) * 4  # refine
    + (8 * 8) * (4 * 3) * (3 * 3) * 4  # to image
)


def test_multiply_accumulates_by_hand():
    expected = (SMALL_CONTEXT + SMALL_GENERATOR) / 16**2
    assert macs_per_pixel(made(SMALL), size=16) == pytest.approx(expected, rel=1e-9)


def test_two_steps_cost_a_second_generator():
    two_step = made(ModelOptions(**{**SMALL.to_dict(), "two_step": True}))
    expected = (SMALL_CONTEXT + 2 * SMALL_GENERATOR) / 16**2
    assert macs_per_pixel(two_step, size=16) == pytest.approx(expected, rel=1e-9)


def test_parameters_by_hand():
    context = (9 * 3 * 2 + 2 + 2) + (9 * 2 * 4 + 4 + 4) + (9 * 4 * 4 + 4 + 4)  # with PReLU slopes
    generator = (
        (9 * 12 * 4 + 4 + 4)
        + (9 * 4 * 8 + 8 + 8)
        + (8 * 8 + 8)
        + 2 * (9 * 8 * 8 + 8)
        + (4 * 2 + 2)
        + 2 * (2 * 8 + 8)
        + (9 * 8 * 16 + 16)
        + (9 * 4 * 4 + 4 + 4)
        + (9 * 4 * 12 + 12)
    )
    assert made(SMALL).count_params() == context + generator


def test_counting_leaves_the_network_as_it_was():
    small = made(SMALL)
    before = [value.copy() for value in small.get_weights()]
    assert macs_per_pixel(small, size=16) == macs_per_pixel(small, size=16)
    for value, expected in zip(small.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_layers_inside_others_are_counted_as_often_as_they_are_called():
    kernels = [x.kernel_shape for x in convolutions(Discriminator((4, 8)), size=16)]
    assert kernels == [(3, 3, 3, 4), (3, 3, 4, 8)]

    @keras.saving.register_keras_serializable(package="test_cost")
    class Twice(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.convolution = keras.layers.Conv2D(3, 3, padding="same")

        def build(self, input_shape=None):
            self.convolution.build((None, None, None, 3))

        def call(self, image):
            return self.convolution(self.convolution(image))

    assert macs_per_pixel(Twice(), size=8) == 2 * 9 * 3 * 3
