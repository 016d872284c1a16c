"""The stream of training samples: what each holds, and on what it depends."""

import collections
import dataclasses
import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.brightness import LUMA
from drgn_tf.data.dataset import Shard, sampler, training_dataset
from drgn_tf.data.decoded_photos import PhotoStore, store_in_memory
from drgn_tf.data.low_light_simulation import (
    PhotometricOptions,
    linear_to_srgb,
    srgb_to_linear,
)
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.paired_photos import PairedPhotos
from drgn_tf.data.sampling import NORMAL_KEYS, PAIR_KEYS
from drgn_tf.data.training_data import Source, TrainingData
from drgn_tf.errors import UserError
from drgn_tf.models.context import thumbnail

CROP = 16
THUMBNAIL = functools.partial(thumbnail, size=16)
# Of different sizes, one of them as small as the crop.
SIZES = [(40, 56), (32, 32), (16, 16), (33, 47), (24, 17)]
OPTIONS = SampleOptions(crop_size=CROP, batch_size=8, seed=11)
# Darkens without noise, so that results can be foretold.
PLAIN = PhotometricOptions(
    gamma=(2.0, 2.0), gain=(1.0, 1.0), cast=0.0, photons=(1e12, 1e12), read_noise=(0.0, 0.0)
)


def options(**changes) -> SampleOptions:
    return dataclasses.replace(OPTIONS, **changes)


def store(photos, prefix="view") -> PhotoStore:
    return store_in_memory(photos, [f"{prefix}_{i}" for i in range(len(photos))])


def negative(pixels) -> np.ndarray:
    return np.iinfo(pixels.dtype).max - pixels


def views(photo, sizes=SIZES) -> list[np.ndarray]:
    return [photo[30 * i : 30 * i + h, 60 * i : 60 * i + w] for i, (h, w) in enumerate(sizes)]


def located(sizes=SIZES, depth=np.uint8) -> list[np.ndarray]:
    """Photos in which each pixel tells its row, its column and its photo."""
    return [
        np.stack([*np.indices(size), np.full(size, index)], axis=-1).astype(depth)
        for index, size in enumerate(sizes)
    ]


@pytest.fixture(scope="module")
def pairs(photo) -> TrainingData:
    """Five real photos of different sizes; each reference is the negative."""
    low = views(photo)
    return TrainingData(
        PairedPhotos(store(low), store([negative(x) for x in low])), None, THUMBNAIL
    )


@pytest.fixture(scope="module")
def mixed(photo) -> TrainingData:
    """The same pairs, and three other photos to darken."""
    low = views(photo)
    others = [photo[200:232, 40 * i : 40 * i + 48] for i in range(3)]
    return TrainingData(
        PairedPhotos(store(low), store([negative(x) for x in low])),
        store(others, "other"),
        THUMBNAIL,
    )


# Everything that can be drawn is drawn.
ALL = options(photometric_fraction=0.5, normal=True)


def batches(data, options, first_step, steps, shard=Shard()) -> list[dict]:
    dataset = training_dataset(data, options, first_step, steps, shard)
    return list(dataset.as_numpy_iterator())


def joined(parts) -> dict:
    """Batches as one, sample behind sample."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@functools.cache
def run_from_0(data, options) -> dict:
    """The samples of the first six steps on one device."""
    return joined(batches(data, options, 0, 6))


def photo_numbers(thumbnails, photos: PhotoStore) -> list[int]:
    """Tells which photos thumbnails show, whichever way they are turned."""
    # A symmetry moves pixels and changes none.
    known = {
        np.sort(THUMBNAIL(photos.photo(i)[np.newaxis]), axis=None).tobytes(): i
        for i in range(len(photos))
    }
    return [known.get(np.sort(view, axis=None).tobytes(), -1) for view in thumbnails]


def symmetries(image) -> list[np.ndarray]:
    """The 8 ways to turn and mirror a square image."""
    turned = [np.rot90(image, k) for k in range(4)]
    return turned + [np.fliplr(x) for x in turned]


def which_symmetry(image, original, atol=1e-6) -> int:
    """Returns the first of the 8 symmetries of the original that equals the image, or -1."""
    for number, candidate in enumerate(symmetries(original)):
        if np.allclose(image, candidate, rtol=0, atol=atol):
            return number
    return -1


# ---------------------------------------------------------------- what a sample holds


def test_batches_are_floats_of_the_promised_shapes(mixed):
    (batch,) = batches(mixed, ALL, 0, 1)
    assert {name: values.shape for name, values in batch.items()} == {
        "low": (8, CROP, CROP, 3),
        "high": (8, CROP, CROP, 3),
        "thumbnail": (8, 16, 16, 3),
        "brightness": (8,),
        "normal": (8, CROP, CROP, 3),
        "normal_thumbnail": (8, 16, 16, 3),
        "normal_brightness": (8,),
    }
    for values in batch.values():
        assert values.dtype == np.float32
        assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1


def test_shapes_are_known_before_the_first_batch(mixed):
    spec = training_dataset(mixed, ALL, 0, 1).element_spec
    assert spec["low"].shape == (8, CROP, CROP, 3)
    assert spec["normal_thumbnail"].shape == (8, 16, 16, 3)


def test_normal_photos_come_only_when_asked_for(mixed):
    assert set(run_from_0(mixed, OPTIONS)) == {*PAIR_KEYS}
    assert set(run_from_0(mixed, ALL)) == {*PAIR_KEYS, *NORMAL_KEYS}


def test_normal_photos_do_not_change_the_other_parts_of_a_sample(mixed):
    without = run_from_0(mixed, options(photometric_fraction=0.5))
    with_normal = run_from_0(mixed, ALL)
    assert_same(without, {name: with_normal[name] for name in without})


def test_as_many_batches_as_steps(pairs):
    assert len(batches(pairs, OPTIONS, 3, 5)) == 2
    assert batches(pairs, OPTIONS, 5, 5) == []


# ---------------------------------------------------------------- what a sample depends on


def test_run_that_starts_later_goes_on_exactly(mixed):
    later = joined(batches(mixed, ALL, 4, 6))
    whole = run_from_0(mixed, ALL)
    assert_same(later, {name: values[4 * 8 :] for name, values in whole.items()})


def test_two_runs_are_the_same_whatever_was_drawn_before(mixed):
    tf.random.set_seed(5)
    tf.random.normal([3])
    assert_same(joined(batches(mixed, ALL, 0, 6)), run_from_0(mixed, ALL))


def test_sample_does_not_depend_on_the_batch_size(mixed):
    halves = joined(batches(mixed, dataclasses.replace(ALL, batch_size=4), 0, 12))
    assert_same(halves, run_from_0(mixed, ALL))


@pytest.mark.parametrize(("workers", "replicas"), [(2, 1), (1, 2), (2, 2)])
def test_devices_together_see_the_samples_of_one_device_in_order(mixed, workers, replicas):
    shards = [batches(mixed, ALL, 0, 6, Shard(i, workers, replicas)) for i in range(workers)]
    for shard in shards:
        assert len(shard) == 6 * replicas
        assert all(len(batch["low"]) == 8 // (workers * replicas) for batch in shard)
    in_order = [
        shards[worker][step * replicas + replica]
        for step in range(6)
        for worker in range(workers)
        for replica in range(replicas)
    ]
    assert_same(joined(in_order), run_from_0(mixed, ALL))


def test_worker_that_starts_later_goes_on_exactly(mixed):
    later = joined(batches(mixed, ALL, 4, 6, Shard(1, 2, 2)))
    second_halves = [*range(4 * 8 + 4, 5 * 8), *range(5 * 8 + 4, 6 * 8)]
    whole = run_from_0(mixed, ALL)
    assert_same(later, {name: values[second_halves] for name, values in whole.items()})


def test_another_seed_gives_other_samples(mixed):
    first = run_from_0(mixed, ALL)
    other = run_from_0(mixed, dataclasses.replace(ALL, seed=12))
    for name in ("low", "high", "normal"):
        same = [np.array_equal(a, b) for a, b in zip(first[name], other[name])]
        # The photo as small as the crop can come twice in one position.
        assert sum(same) <= 4


def test_seeds_side_by_side_do_not_repeat_each_other_later(pairs):
    """As they would if seed and sample number were added."""
    first, other = (run_from_0(pairs, options(seed=seed))["low"] for seed in (11, 12))
    repeated = [np.array_equal(a, b) for a, b in zip(first[1:], other[:-1])]
    assert sum(repeated) <= 4


@pytest.mark.parametrize("seed", [0, 2**31, 2**40, -1])
def test_any_whole_number_is_a_seed(pairs, seed):
    chosen = options(seed=seed)
    samples = run_from_0(pairs, chosen)
    assert not np.array_equal(samples["low"], run_from_0(pairs, OPTIONS)["low"])
    assert sorted(photo_numbers(samples["thumbnail"][:5], pairs.pairs.low)) == list(range(5))


def test_late_samples_are_drawn_as_the_first_ones(pairs):
    """Beyond 2**31, where a narrow integer would wrap."""
    step = 2**31
    batch = next(iter(training_dataset(pairs, OPTIONS, step, step + 1).as_numpy_iterator()))
    np.testing.assert_allclose(batch["high"], 1 - batch["low"], atol=1e-6)
    assert not np.array_equal(batch["low"], run_from_0(pairs, OPTIONS)["low"][:8])


# ---------------------------------------------------------------- epochs


def test_each_photo_comes_once_per_epoch_in_a_new_order(pairs):
    samples = joined(batches(pairs, OPTIONS, 0, 10))
    epochs = np.reshape(photo_numbers(samples["thumbnail"], pairs.pairs.low), [16, 5])
    for epoch in epochs:
        assert sorted(epoch) == list(range(5))
    assert len({tuple(epoch) for epoch in epochs}) > 8


def test_order_of_photos_favours_none(pairs):
    count = 200
    samples = joined(batches(pairs, options(batch_size=50), 0, 5 * count // 50))
    numbers = np.reshape(photo_numbers(samples["thumbnail"], pairs.pairs.low), [count, 5])
    for position in range(5):
        often = np.bincount(numbers[:, position], minlength=5)
        # 40 expected of each; the standard deviation is 5.7.
        assert often.min() > 15 and often.max() < 65


@pytest.mark.parametrize("count", [1, 2, 7])
def test_epochs_are_complete_whatever_the_number_of_photos(photo, count):
    low = [photo[20 * i : 20 * i + 16, 30 * i : 30 * i + 16] for i in range(count)]
    data = TrainingData(PairedPhotos(store(low), store(low)), None, THUMBNAIL)
    samples = joined(batches(data, options(batch_size=count), 0, 4))
    numbers = np.reshape(photo_numbers(samples["thumbnail"], data.pairs.low), [4, count])
    for epoch in numbers:
        assert sorted(epoch) == list(range(count))


def test_another_seed_gives_another_order(pairs):
    orders = {
        tuple(photo_numbers(run_from_0(pairs, options(seed=seed))["thumbnail"], pairs.pairs.low))
        for seed in range(11, 15)
    }
    assert len(orders) == 4


def test_normal_photos_have_epochs_and_an_order_of_their_own(pairs):
    samples = joined(batches(pairs, options(normal=True), 0, 10))
    of_pairs = np.reshape(photo_numbers(samples["thumbnail"], pairs.pairs.low), [16, 5])
    of_normal = np.reshape(photo_numbers(samples["normal_thumbnail"], pairs.normal), [16, 5])
    for epoch in of_normal:
        assert sorted(epoch) == list(range(5))
    # A fifth meets by chance.
    assert 0.05 < (of_pairs == of_normal).mean() < 0.4


# ---------------------------------------------------------------- alignment


def test_low_and_high_are_one_view_for_every_symmetry(photo):
    """Crops as large as the photo, so that the symmetry of each is known."""
    low = [photo[80 : 80 + CROP, 120 : 120 + CROP], photo[40 : 40 + CROP, 90 : 90 + CROP]]
    high = [negative(x) for x in low]
    data = TrainingData(PairedPhotos(store(low), store(high)), None, THUMBNAIL)
    samples = joined(batches(data, OPTIONS, 0, 16))
    seen = collections.Counter()
    for index, low_crop, high_crop, view in zip(
        photo_numbers(samples["thumbnail"], data.pairs.low),
        samples["low"],
        samples["high"],
        samples["thumbnail"],
    ):
        symmetry = which_symmetry(low_crop, data.pairs.low.photo(index))
        assert symmetry >= 0
        assert which_symmetry(high_crop, data.pairs.high.photo(index)) == symmetry
        assert (
            which_symmetry(view, THUMBNAIL(data.pairs.low.photo(index)[np.newaxis])[0]) == symmetry
        )
        seen[symmetry] += 1
    # 128 samples: 16 expected of each of the 8.
    assert sorted(seen) == list(range(8)) and min(seen.values()) >= 5


def test_high_is_cropped_where_low_is(pairs):
    samples = run_from_0(pairs, OPTIONS)
    np.testing.assert_allclose(samples["high"], 1 - samples["low"], atol=1e-6)


def assert_windows(crops, numbers, sizes, peak: int) -> dict:
    """Checks that crops are unbroken windows of photos from `located`; returns where they began."""
    begins = collections.defaultdict(list)
    for crop, number in zip(crops, numbers):
        values = np.rint(crop * peak).astype(int)
        assert (values[..., 2] == number).all()
        top, left = values[..., :2].min(axis=(0, 1))
        window = np.stack(np.indices([CROP, CROP]), axis=-1) + np.array([top, left])
        assert any(np.array_equal(values[..., :2], turned) for turned in symmetries(window))
        assert top + CROP <= sizes[number][0] and left + CROP <= sizes[number][1]
        begins[number].append((top, left))
    return begins


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_crops_are_windows_of_their_photo_and_reach_its_corners(depth):
    low = located(depth=depth)
    data = TrainingData(
        PairedPhotos(store(low), store([negative(x) for x in low])), None, THUMBNAIL
    )
    samples = joined(batches(data, options(batch_size=50), 0, 40))
    numbers = photo_numbers(samples["thumbnail"], data.pairs.low)
    begins = assert_windows(samples["low"], numbers, SIZES, np.iinfo(depth).max)
    for number, size in enumerate(SIZES):
        tops, lefts = zip(*begins[number])
        assert (min(tops), max(tops)) == (0, size[0] - CROP)
        assert (min(lefts), max(lefts)) == (0, size[1] - CROP)
    np.testing.assert_allclose(samples["high"], 1 - samples["low"], atol=1e-6)


def test_normal_photos_are_windows_of_their_photo_with_its_thumbnail():
    data = TrainingData(None, store(located()), THUMBNAIL)
    samples = joined(batches(data, options(normal=True), 0, 20))
    numbers = photo_numbers(samples["normal_thumbnail"], data.normal)
    assert len(set(numbers)) == 5
    assert_windows(samples["normal"], numbers, SIZES, 255)


def test_photos_of_16_bits_keep_their_values(photo):
    """Values between the levels of 8 bits arrive in the crops."""
    low = [np.round(65535 * (x / 255.0) ** 1.4).astype(np.uint16) for x in views(photo)]
    data = TrainingData(
        PairedPhotos(store(low), store([negative(x) for x in low])), None, THUMBNAIL
    )
    samples = run_from_0(data, OPTIONS)
    np.testing.assert_allclose(samples["high"], 1 - samples["low"], atol=1e-6)
    levels = np.rint(samples["low"] * 65535)
    np.testing.assert_allclose(samples["low"] * 65535, levels, atol=0.01)
    assert (levels % 257 != 0).mean() > 0.8
    known = np.unique(np.concatenate([x.ravel() for x in low]))
    assert np.isin(levels, known).all()


# ---------------------------------------------------------------- darkened photos


def is_pair(samples) -> np.ndarray:
    """Tells which samples are real pairs of `pairs` or `mixed`: negatives of each other."""
    return np.abs(1 - samples["low"] - samples["high"]).max(axis=(1, 2, 3)) < 1e-5


def test_fraction_0_takes_real_pairs_only(mixed):
    samples = run_from_0(mixed, OPTIONS)
    assert is_pair(samples).all()
    assert -1 not in photo_numbers(samples["thumbnail"], mixed.pairs.low)


def test_fraction_1_takes_darkened_normal_photos_only(mixed):
    samples = run_from_0(mixed, options(photometric_fraction=1.0, photometric=PLAIN))
    assert not is_pair(samples).any()
    np.testing.assert_allclose(samples["low"], samples["high"] ** 2, atol=0.502 / 255)


def test_fraction_one_half_takes_half_of_each(mixed):
    chosen = options(photometric_fraction=0.5, photometric=PLAIN, batch_size=50)
    samples = joined(batches(mixed, chosen, 0, 8))
    real = is_pair(samples)
    # 200 of 400 expected; the standard deviation is 10.
    assert 150 < real.sum() < 250
    darkened = {name: values[~real] for name, values in samples.items()}
    np.testing.assert_allclose(darkened["low"], darkened["high"] ** 2, atol=0.502 / 255)
    # Both kinds come from all their photos.
    assert set(photo_numbers(samples["thumbnail"][real], mixed.pairs.low)) == set(range(5))
    means = [mixed.normal.photo(i).mean() for i in range(3)]
    nearest = np.argmin(
        np.abs(darkened["high"].mean(axis=(1, 2, 3))[:, np.newaxis] - means), axis=1
    )
    assert set(nearest) == set(range(3))


def test_without_pairs_all_is_darkened(photo):
    data = TrainingData(None, store(views(photo)), THUMBNAIL)
    samples = run_from_0(data, options(photometric=PLAIN))
    np.testing.assert_allclose(samples["low"], samples["high"] ** 2, atol=0.502 / 255)


def test_without_normal_photos_the_high_photos_are_darkened(pairs):
    samples = run_from_0(pairs, options(photometric_fraction=1.0, normal=True))
    assert pairs.normal is pairs.pairs.high
    numbers = photo_numbers(samples["normal_thumbnail"], pairs.pairs.high)
    assert set(numbers) == set(range(5))


def test_darkened_photo_brings_its_darkened_thumbnail(photo):
    square = photo[60 : 60 + CROP, 100 : 100 + CROP]
    data = TrainingData(None, store([square]), THUMBNAIL)
    samples = run_from_0(data, options(photometric=PLAIN))
    whole = THUMBNAIL(data.normal.photo(0)[np.newaxis])[0]
    for high, view in zip(samples["high"], samples["thumbnail"]):
        symmetry = which_symmetry(high, data.normal.photo(0))
        np.testing.assert_allclose(view, symmetries(np.asarray(whole) ** 2)[symmetry], atol=1e-5)


def test_thumbnail_has_the_exposure_and_the_cast_of_its_crop():
    """Flat grey photos: crop and thumbnail differ by noise alone."""
    ranges = PhotometricOptions(cast=0.3, photons=(1e6, 1e6), read_noise=(0.0, 0.0))
    flat = [np.full([32, 32, 3], level, np.uint8) for level in (120, 180, 240)]
    data = TrainingData(None, store(flat), THUMBNAIL)
    samples = run_from_0(data, options(photometric=ranges))
    crops, views = (samples[name].mean(axis=(1, 2)) for name in ("low", "thumbnail"))
    np.testing.assert_allclose(crops, views, atol=0.6 / 255)
    assert crops.std(axis=0).min() > 0.05
    light = np.asarray(srgb_to_linear(views))
    assert (light.max(axis=1) / light.min(axis=1)).max() > 1.2


def test_recoloured_photos_are_darkened_in_their_new_colours():
    """Flat grey photos: the reference and the thumbnail have the colours that were darkened."""
    flat = [np.full([CROP, CROP, 3], level, np.uint8) for level in (80, 120)]
    data = TrainingData(None, store(flat), THUMBNAIL)
    samples = run_from_0(data, options(photometric=dataclasses.replace(PLAIN, colour=1.0)))
    np.testing.assert_allclose(samples["low"], samples["high"] ** 2, atol=0.502 / 255)
    references = samples["high"].mean(axis=(1, 2))
    np.testing.assert_allclose(samples["thumbnail"].mean(axis=(1, 2)), references**2, atol=1e-5)
    assert references.max() < 121 / 255
    ratios = references.max(axis=1) / references.min(axis=1)
    assert 1.5 < ratios.max() < np.exp(1.0) + 1e-3
    assert len(np.unique(ratios.round(4))) > 40


def test_darkened_samples_differ_in_exposure_and_noise(photo):
    square = photo[60 : 60 + CROP, 100 : 100 + CROP]
    data = TrainingData(None, store([square]), THUMBNAIL)
    samples = run_from_0(data, OPTIONS)
    exposures = samples["thumbnail"].mean(axis=(1, 2, 3))
    assert len(np.unique(exposures.round(4))) > 40
    assert exposures.max() > 2 * exposures.min()


def test_noise_of_darkened_crops_is_drawn_anew_each_time():
    ranges = dataclasses.replace(PLAIN, photons=(1000.0, 1000.0))
    flat = [np.full([CROP, CROP, 3], 200, np.uint8)]
    samples = run_from_0(TrainingData(None, store(flat), THUMBNAIL), options(photometric=ranges))
    assert len({low.tobytes() for low in samples["low"]}) == 48
    level = linear_to_srgb(srgb_to_linear(tf.constant((200 / 255.0) ** 2)))
    assert samples["low"].mean() == pytest.approx(float(level), abs=0.005)


# ---------------------------------------------------------------- what cannot be


def test_nothing_to_train_on_is_an_error():
    with pytest.raises(UserError, match="neither pairs nor normal photos"):
        TrainingData(None, None, THUMBNAIL)


@pytest.mark.parametrize(
    ("batch_size", "shard"), [(9, Shard(0, 1, 2)), (10, Shard(1, 2, 2)), (3, Shard(0, 2, 2))]
)
def test_batch_that_does_not_divide_suggests_one_that_does(pairs, batch_size, shard):
    devices = shard.count * shard.replicas
    with pytest.raises(
        UserError, match=rf"batch of {batch_size} does not divide among {devices} devices"
    ) as caught:
        training_dataset(pairs, options(batch_size=batch_size), 0, 1, shard)
    suggested = int(re.search(r"--batch_size=(\d+)", str(caught.value))[1])
    assert abs(suggested - batch_size) < devices
    assert len(batches(pairs, options(batch_size=suggested), 0, 1, shard)) == shard.replicas


def assert_too_small(data, crop_size: int, name: str, chosen=OPTIONS) -> int:
    """Checks the error about a photo smaller than the crop; returns the crop it suggests."""
    with pytest.raises(UserError, match=f"photo '{name}' is .* smaller than the crop") as caught:
        training_dataset(data, dataclasses.replace(chosen, crop_size=crop_size), 0, 1)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return int(re.search(r"--crop_size=(\d+)", message)[1])


def test_photo_smaller_than_the_crop_is_named_with_its_size(photo):
    low = views(photo, [(48, 64), (48, 30), (48, 64)])
    data = TrainingData(PairedPhotos(store(low), store(low)), None, THUMBNAIL)
    assert assert_too_small(data, 40, "view_1") == 30
    with pytest.raises(UserError, match="30x48 pixels, smaller than the crop of 40"):
        sampler(data, options(crop_size=40))
    assert len(batches(data, options(crop_size=30), 0, 1)) == 1


def test_suggested_crop_fits_all_photos(photo):
    low = views(photo, [(48, 64), (44, 36), (64, 30), (20, 40)])
    data = TrainingData(PairedPhotos(store(low), store(low)), None, THUMBNAIL)
    suggested = assert_too_small(data, 40, r"view_\d")
    assert len(batches(data, options(crop_size=suggested), 0, 1)) == 1


def test_normal_photos_smaller_than_the_crop_is_named(photo):
    low, others = views(photo, [(48, 64)]), views(photo, [(64, 64), (64, 24)])
    data = TrainingData(PairedPhotos(store(low), store(low)), store(others, "other"), THUMBNAIL)
    chosen = options(normal=True)
    assert assert_too_small(data, 40, "other_1", chosen) == 24
    assert assert_too_small(data, 40, "other_1", options(photometric_fraction=0.5)) == 24


def test_crop_as_large_as_the_smallest_photo_is_fine(photo):
    low = views(photo, [(48, 64), (32, 40)])
    data = TrainingData(PairedPhotos(store(low), store(low)), None, THUMBNAIL)
    (batch,) = batches(data, options(crop_size=32), 0, 1)
    assert batch["low"].shape == (8, 32, 32, 3)


def test_exposure_changes_low_and_thumbnail_alike_and_leaves_high(pairs):
    plain = run_from_0(pairs, options())
    exposed = run_from_0(pairs, options(exposure_jitter=1.0))
    np.testing.assert_array_equal(exposed["high"], plain["high"])
    levels = exposed["low"] * 255
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
    factors = []
    for before, after, view, seen in zip(
        plain["low"], exposed["low"], plain["thumbnail"], exposed["thumbnail"]
    ):
        dark = (before > 0) & (before < 0.5)
        factor = float(np.median(after[dark] / before[dark]))
        np.testing.assert_allclose(after, np.clip(before * factor, 0, 1), atol=0.02)
        np.testing.assert_allclose(seen, np.clip(view * factor, 0, 1), atol=0.02)
        factors.append(factor)
    assert 0.45 < min(factors) < 0.8 and 1.25 < max(factors) < 2.1


# ---------------------------------------------------------------- brightness, sources


def luma(photo) -> float:
    return float(photo.mean((0, 1)) @ LUMA)


def test_samples_tell_the_brightness_of_the_whole_reference(pairs):
    samples = run_from_0(pairs, options(normal=True))
    for name, views in (("brightness", "thumbnail"), ("normal_brightness", "normal_thumbnail")):
        photos = pairs.pairs.low if name == "brightness" else pairs.normal
        known = [luma(pairs.pairs.high.photo(i)) for i in photo_numbers(samples[views], photos)]
        np.testing.assert_allclose(samples[name], known, atol=1e-5)


def test_relit_references_are_told_as_bright_as_they_are():
    """Flat photos, whose crop is as bright as the whole."""
    flat = [np.full([32, 32, 3], level, np.uint8) for level in (60, 100, 140)]
    data = TrainingData(PairedPhotos(store(flat), store(flat)), None, THUMBNAIL)
    samples = run_from_0(data, options(relight=1.0, relight_share=0.5))
    np.testing.assert_allclose(samples["brightness"], samples["high"].mean((1, 2, 3)), atol=1e-3)
    changed = np.abs(samples["high"] - samples["low"]).max((1, 2, 3)) > 1e-3
    assert 0.25 < changed.mean() < 0.75


def test_extra_sources_take_their_share(photo):
    own, extra = views(photo, [(24, 24)] * 2), views(photo[::-1], [(24, 24)] * 3)
    dark = [x // 4 for x in own]
    sources = [
        Source(None, store(extra, "normal"), 0.25),
        Source(store([x // 2 for x in extra]), store(extra), 0.25),
    ]
    data = TrainingData(PairedPhotos(store(dark), store(own)), None, THUMBNAIL, sources)
    chosen = options(batch_size=100, photometric=PLAIN)
    samples = joined(batches(data, chosen, 0, 4))
    high, low = (np.rint(samples[name] * 255) for name in ("high", "low"))
    kinds = [
        np.abs(low - f).max((1, 2, 3)) <= 1
        for f in (high // 4, high // 2, 255 * samples["high"] ** 2)
    ]
    # 200, 100 and 100 of 400 expected; a standard deviation is 10 at most.
    for kind, expected in zip(kinds, (200, 100, 100)):
        assert abs(kind.sum() - expected) < 40


def test_normal_photos_come_from_all_sources_of_them(photo):
    low = views(photo, [(24, 24)] * 2)
    others = [np.full((20, 20, 3), level, np.uint8) for level in (77, 78)]
    data = TrainingData(
        PairedPhotos(store(low), store(low)),
        None,
        THUMBNAIL,
        [Source(None, store(others, "other"), 0.1)],
    )
    samples = joined(batches(data, options(normal=True), 0, 4))
    flat = samples["normal"].std((1, 2, 3)) < 1e-6
    # Two photos of four.
    assert flat.sum() == 16
    assert {*np.rint(samples["normal"][flat].mean((1, 2, 3)) * 255)} == {77, 78}
