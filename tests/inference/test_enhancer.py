from __future__ import annotations

import numpy as np
import pytest

import drgn_tf
from drgn_tf.brightness import BRIGHTEST, DARKEST
from tests.tolerances import network_rounding

# Of the unlimited results the root of the mean square is 2.
TOLERANCE = network_rounding(magnitude=2)


def test_dtype_and_shape_are_kept(enhancer, dark):
    photo = dark[:37, :53]
    eight = enhancer(photo)
    sixteen = enhancer(photo.astype(np.uint16) * 257)
    single = enhancer(photo / np.float32(255))
    double = enhancer(photo / 255.0)
    for image, dtype in ((eight, "uint8"), (sixteen, "uint16"), (single, "float32"),
                         (double, "float64")):  # fmt: skip
        assert image.shape == photo.shape and image.dtype == dtype
    assert np.abs(eight / 255 - single).max() <= 0.5 / 255 + TOLERANCE
    assert np.abs(sixteen / 65535 - single).max() <= 0.5 / 65535 + TOLERANCE
    np.testing.assert_allclose(double, single, atol=TOLERANCE)


def test_a_photo_of_one_pixel(enhancer):
    assert enhancer(np.full((1, 1, 3), 20, np.uint8)).shape == (1, 1, 3)


@pytest.mark.parametrize(
    "photo, said",
    [
        (np.zeros((4, 4), np.uint8), r"\[height, width, 3\], not \[4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"not \[0, 4, 3\]"),
        (np.zeros((4, 4, 3), np.int64), "not int64"),
        (np.full((4, 4, 3), 2.0), "goes from 2 to 2"),
        (np.full((4, 4, 3), np.nan), "goes from nan to nan"),
    ],
)
def test_what_is_no_photo_is_refused(enhancer, photo, said):
    with pytest.raises(ValueError, match=said):
        enhancer(photo)


def test_brightness_and_exposure_are_what_the_network_is_told(enhancer, dark):
    photo = dark[:40, :60]
    predicted = enhancer.predicted_brightness(photo)
    model = enhancer.driver.model
    image = photo[np.newaxis] / np.float32(255)
    thumbnail = enhancer.thumbnail(photo)
    assert predicted == pytest.approx(float(model.predicted_brightness(image)[0, 0]), rel=1e-4)
    for arguments, told in (
        ({}, predicted),
        ({"brightness": 0.3}, 0.3),
        ({"brightness": lambda thumbnail: 4 * thumbnail.mean()}, 4 * thumbnail.mean()),
        ({"exposure": 1.0}, predicted * 2 ** (1 / 2.2)),
        ({"exposure": -2.0, "brightness": 0.5}, 0.5 * 2 ** (-2 / 2.2)),
        ({"brightness": 0.0}, DARKEST),
        ({"exposure": 1e6}, BRIGHTEST),
    ):
        expected = np.asarray(model(image, brightness=np.float32([told]))["enhanced"])[0]
        returned = enhancer(photo / np.float32(255), **arguments)
        np.testing.assert_allclose(returned, expected, atol=1e-5)
        np.testing.assert_array_equal(enhancer.stages(photo, **arguments)["enhanced"], returned)
    # Not all the same, or the comparison would say nothing.
    assert np.abs(enhancer(photo, brightness=0.9).astype(int) - enhancer(photo)).max() > 1


@pytest.mark.parametrize("arguments", [{"exposure": np.nan}, {"brightness": np.nan}])
def test_what_is_no_number_is_refused(enhancer, dark, arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be a number"):
        enhancer(dark, **arguments)


def test_stages_add_up(enhancer, dark):
    images = enhancer.stages(dark)
    low = dark / np.float32(255)
    np.testing.assert_allclose(images["base"], low - images["degradation"], atol=1e-6)
    assert np.abs(enhancer(dark) / 255 - images["enhanced"]).max() < 0.5 / 255 + TOLERANCE


def test_the_api_opens_a_file_and_a_shipped_name(tiny_file, enhancer, dark):
    photo = dark[:40, :60]
    np.testing.assert_array_equal(drgn_tf.load(tiny_file)(photo), enhancer(photo))
    np.testing.assert_array_equal(drgn_tf.enhance(photo, tiny_file), enhancer(photo))
    np.testing.assert_array_equal(
        drgn_tf.enhance(photo, tiny_file, exposure=0.5, brightness=0.4),
        enhancer(photo, exposure=0.5, brightness=0.4),
    )
    brighter = drgn_tf.enhance(photo)
    assert brighter.shape == photo.shape and brighter.mean() > 1.5 * photo.mean()
