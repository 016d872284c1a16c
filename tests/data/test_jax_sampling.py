"""Samples that are made on the device: which photos, which parts, turned how, how dark."""

from __future__ import annotations

import numpy as np
import pytest

from drgn_tf.data.training_data import NORMAL_STREAM

COUNT = 256
SIZES = ((20, 24), (18, 18), (16, 30))

SAMPLE = """
import sys
import jax
import numpy as np
from drgn_tf.data import PairedPhotos, SampleOptions, TrainingData
from drgn_tf.data.low_light_simulation import PhotometricOptions
from drgn_tf.data.decoded_photos import store_in_memory
from drgn_tf.data.jax_sampling import Sampler, batch_sampler

path, count, *sizes = sys.argv[1:]
count = int(count)

def view(height, width, shift):
    # Red tells the row, green the column, blue the photo.
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, height)], -1) + np.uint8(shift)

low, high = (
    store_in_memory(
        [view(*map(int, size.split("x")), shift).astype(np.uint8) for size in sizes], sizes
    )
    for shift in (40, 140)
)
data = TrainingData(PairedPhotos(low, high), None, lambda photo: photo[:, :8, :8])
options = SampleOptions(
    16, count, seed=5, photometric_fraction=0.25, exposure_jitter=0.0, normal=True,
    photometric=PhotometricOptions(colour=0.3, well_lit=0.4),
)
sampler = Sampler(data, options)
order = {name: photos[0] for name, photos in sampler.order(0, 1).items()}
sample = jax.jit(batch_sampler(sampler))
samples = sample(sampler.photos, np.arange(count), order)
# Number 7 on its own.
again = sample(sampler.photos, np.arange(7, 8), {k: v[7:8] for k, v in order.items()})
same = all(np.array_equal(again[name][0], samples[name][7]) for name in samples)
np.savez(path, same=same, **samples, **{"order/" + k: v for k, v in order.items()})
"""


@pytest.fixture(scope="module")
def samples(on_jax, tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    code, output = on_jax(SAMPLE, path, COUNT, *(f"{h}x{w}" for h, w in SIZES))
    assert code == 0, output
    with np.load(path) as file:
        return dict(file)


def are_pairs(samples) -> np.ndarray:
    """Which samples are real pairs: the low photo is the other, 100 levels darker."""
    difference = np.round((samples["high"] - samples["low"]) * 255)
    return (difference == 100).all((1, 2, 3))


def test_every_photo_once_an_epoch_in_changing_and_unrelated_orders(samples):
    epochs = COUNT // len(SIZES)
    orders = {}
    for name in ("0", "1", str(NORMAL_STREAM)):
        photos = samples[f"order/{name}"][: epochs * len(SIZES)].reshape(epochs, -1)
        assert (np.sort(photos) == np.arange(len(SIZES))).all()
        assert len(np.unique(photos, axis=0)) == 6
        orders[name] = photos
    assert not np.array_equal(orders["0"], orders[str(NORMAL_STREAM)])


def test_pairs_show_the_same_part_of_the_photo_that_was_drawn(samples):
    pairs = are_pairs(samples)
    assert 0.65 < pairs.mean() < 0.85
    blue = np.round(samples["low"][pairs][..., 2] * 255)
    heights = np.array([height for height, _ in SIZES])[samples["order/0"][pairs]]
    # The whole crop: nothing beside the smaller photos.
    assert (blue == 40 + heights[:, None, None]).all()
    thumbnails = np.round(samples["thumbnail"][pairs][..., 2] * 255)
    assert (thumbnails == 40 + heights[:, None, None]).all()


def test_crops_lie_everywhere_and_are_turned_in_all_ways(samples):
    pairs = are_pairs(samples)
    low = np.round(samples["low"][pairs] * 255).astype(int) - 40
    first = samples["order/0"][pairs] == 0
    corners = low[first].min((1, 2))[:, :2]
    assert {tuple(corner) for corner in corners} <= {(y, x) for y in range(5) for x in range(9)}
    assert set(corners[:, 0]) == set(range(5)) and set(corners[:, 1]) == set(range(9))
    # How red and green change along both sides tells the symmetry.
    slopes = {
        tuple(np.sign([*(crop[-1, 0] - crop[0, 0])[:2], *(crop[0, -1] - crop[0, 0])[:2]]))
        for crop in low
    }
    assert len(slopes) == 8


def test_the_others_are_darkened_photos(samples):
    pairs = are_pairs(samples)
    low, high = samples["low"][~pairs], samples["high"][~pairs]
    darkened = low.mean((1, 2, 3)) < 0.85 * high.mean((1, 2, 3))
    # Recoloured, so between the steps of a file; what was darkened is a file again.
    assert np.abs(high * 255 - np.round(high * 255)).max() > 0.3
    np.testing.assert_allclose(low * 255, np.round(low * 255), atol=1e-3)
    # The rest are well lit.
    assert 0.4 < darkened.mean() < 0.8
    np.testing.assert_allclose(low[~darkened], high[~darkened], atol=0.6 / 255)
    # Each photo has one blue, and so has its thumbnail, of which red and green see another part.
    thumbnails = samples["thumbnail"][~pairs][..., 2].mean((1, 2))
    np.testing.assert_allclose(thumbnails, low[..., 2].mean((1, 2)), atol=0.012)


def test_normal_photos_are_photos_in_normal_light(samples):
    assert samples["normal"].min() >= 140 / 255 - 1e-6


def test_a_sample_is_a_function_of_its_number(samples):
    assert samples["same"]
