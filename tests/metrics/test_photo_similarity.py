"""Metrics of single photos, on the host, against those of batches, in graphs."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from drgn_tf import metrics
from drgn_tf.metrics.photo_similarity import (
    photo_luma,
    photo_psnr,
    photo_ssim,
    scale_photo_to_gt_mean,
)
from tests.tolerances import EPSILON


def changed(image: np.ndarray, kind: str) -> np.ndarray:
    noise = np.random.default_rng(4).normal(0, 0.1, image.shape)
    other = {
        "dark": 0.6 * image**2.5,
        "noisy": np.clip(image + noise, 0, 1),
        "inverted": 1 - image,
        "nearly the same": np.clip(image + 0.002 * np.sign(noise), 0, 1),
    }[kind]
    return other.astype(np.float32)


@pytest.mark.parametrize("kind", ["dark", "noisy", "inverted", "nearly the same"])
@pytest.mark.parametrize("luma", [False, True], ids=["colour", "luma"])
@pytest.mark.parametrize("size", [(300, 451), (11, 13)])
def test_they_are_those_of_the_graph(photo, kind, luma, size):
    reference = photo[: size[0], : size[1]].astype(np.float32) / 255
    image = changed(reference, kind)
    if luma:
        image, reference = (photo_luma(x) for x in (image, reference))
    batch = [x.reshape(1, *size, -1) for x in (image, reference)]
    assert photo_psnr(image, reference) == pytest.approx(
        # Squares and their sum in float32: relative errors of a few 1e-6, 10 / ln 10 of them in dB.
        float(metrics.psnr(*batch)[0]),
        abs=1e-4,
    )
    returned = photo_ssim(image, reference)
    # In float32 differences of squares are off by 1e-7 beside stabilisers of 9e-4: 1e-4 a window
    # at worst, which a mean over many windows lessens.
    assert returned == pytest.approx(float(metrics.ssim(*batch)[0]), abs=2e-4)
    exact = structural_similarity(
        image.astype(np.float64),
        reference.astype(np.float64),
        gaussian_weights=True,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=None if luma else -1,
    )
    assert returned == pytest.approx(exact, abs=1e-9)


def test_identical_photos(photo):
    image = photo.astype(np.float32) / 255
    assert photo_psnr(image, image) == 100
    assert photo_ssim(image, image) == pytest.approx(1)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_photos(level):
    image = np.full((20, 30, 3), level, np.float32)
    assert photo_ssim(image, image) == pytest.approx(1)
    assert photo_psnr(image, 1 - image) == 0


def test_photos_smaller_than_the_window_are_refused(photo):
    small = photo[:10, :40].astype(np.float32) / 255
    with pytest.raises(ValueError, match="at least 11x11 pixels, not 40x10"):
        photo_ssim(small, small)


def test_luma_weighs_the_channels_as_bt_601_does():
    primaries = np.eye(3, dtype=np.float32)[np.newaxis]
    np.testing.assert_allclose(photo_luma(primaries)[0], [0.299, 0.587, 0.114])
    assert photo_luma(np.ones((1, 1, 3), np.float32))[0, 0] == pytest.approx(1.0)


def test_scaled_photos_have_the_mean_luma_of_their_references(photo):
    high = photo.astype(np.float32) / 255
    for share in (0.1, 0.4):
        # One factor, rounded to float32, and one product.
        scaled = scale_photo_to_gt_mean(np.float32(share) * high, high)
        np.testing.assert_allclose(scaled, high, atol=4 * EPSILON)
    # By luma, not by the mean of the channels.
    green = scale_photo_to_gt_mean(np.float32([[[0.0, 0.5, 0.0]]]), np.float32([[[0.5, 0.0, 0.0]]]))
    np.testing.assert_allclose(green[0, 0], [0.0, 0.5 * 0.299 / 0.587, 0.0], rtol=1e-6)


def test_nothing_exceeds_white_and_black_stays_black():
    image = np.full((1, 2, 3), 0.1, np.float32)
    image[0, 0] = 0.9
    reference = np.full_like(image, 0.8)
    scaled = scale_photo_to_gt_mean(image, reference)
    np.testing.assert_allclose(scaled[0, :, 0], [1.0, 0.16], rtol=1e-5)
    assert not scale_photo_to_gt_mean(0 * image, reference).any()
