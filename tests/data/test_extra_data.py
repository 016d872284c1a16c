"""Further sources of samples: what is read, what is held out, and how often each is drawn from."""

from __future__ import annotations

import functools
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from drgn_tf.brightness import LUMA
from drgn_tf.data.dataset import sampler, training_dataset
from drgn_tf.data.decoded_photos import store_in_memory
from drgn_tf.data.loading import load_run_data
from drgn_tf.data.low_light_simulation import PhotometricOptions
from drgn_tf.data.options import DataOptions, SampleOptions, parse_extra_data
from drgn_tf.data.paired_photos import PairedPhotos
from drgn_tf.data.training_data import Source, TrainingData
from drgn_tf.errors import UserError
from drgn_tf.models.context import thumbnail

THUMBNAIL = functools.partial(thumbnail, size=16)
SAMPLES = 600


# ---------------------------------------------------------------- what is asked for


def test_a_folder_may_hold_colons():
    parsed = parse_extra_data(["pairs:D:/my pairs:0.25", "normal:photos:0.5"])
    assert [(kind, str(folder), share) for kind, folder, share in parsed] == [
        ("pairs", "D:/my pairs", 0.25),
        ("normal", "photos", 0.5),
    ]


@pytest.mark.parametrize(
    "entry",
    ["", "pairs", "pairs:photos", "photos:0.5", "film:photos:0.5", "normal::0.5", "pairs:x:much",
     "normal:x:0", "normal:x:1", "normal:x:-0.1", "normal:x:nan", "normal:x:inf", "normal:x:"],
)  # fmt: skip
def test_entries_of_another_form_are_shown_with_the_right_one(entry):
    with pytest.raises(ValueError, match="must be KIND:FOLDER:SHARE") as caught:
        DataOptions(extra_data=(entry,))
    assert f"'{entry}'" in str(caught.value) and "\n" not in str(caught.value)


def test_shares_of_more_than_all_are_refused():
    with pytest.raises(ValueError, match=r"shares of extra_data add up to 1\.3, more than 1"):
        DataOptions(extra_data=("normal:a:0.7", "normal:b:0.6"))


# ---------------------------------------------------------------- what is read


@pytest.fixture
def folders(tmp_path, photo, make_pairs):
    """Pairs, other pairs in "more", and photos in "bright"."""
    make_pairs(tmp_path / "pairs")
    for name in ("more/low", "more/high", "bright"):
        (tmp_path / name).mkdir(parents=True)
    for index in range(6):
        view = photo[40 * index : 40 * index + 40, 200:250]
        Image.fromarray(view).save(tmp_path / "more" / "high" / f"scene_{index}.png")
        Image.fromarray(view // 4).save(tmp_path / "more" / "low" / f"scene_{index}.png")
        view = photo[40 * index : 40 * index + 40, 300:350]
        Image.fromarray(view).save(tmp_path / "bright" / f"photo_{index}.png")
    return tmp_path


def load(folders, *extra, **others):
    options = DataOptions(
        data_dir=str(folders / "pairs"),
        extra_data=tuple(entry.replace("@", f"{folders}/") for entry in extra),
        **others,
    )
    return load_run_data(options, PhotometricOptions(), THUMBNAIL)


BOTH = ("pairs:@more:0.2", "normal:@bright:0.3")


def test_each_source_is_split_and_measured_apart(folders):
    data = load(folders, *BOTH, extra_val_fraction=0.34)
    more, bright = data.training.extra
    assert (more.share, bright.share) == (0.2, 0.3)
    assert bright.low is None and more.low.names == more.high.names
    assert list(data.extra_validation) == ["more", "bright"]
    for source, name in ((more, "more"), (bright, "bright")):
        held_out = data.extra_validation[name]
        assert len(held_out) == 2 and len(source.high) == 4
        assert not set(held_out.high.checksums) & set(source.high.checksums)
    # What is not dark is to stay: such a photo is its own reference.
    for _, low, high in data.extra_validation["bright"]:
        assert low is high
    for _, low, high in data.extra_validation["more"]:
        assert low.mean() < 0.5 * high.mean()
    assert data.summary == (
        "3 pairs to train on, 4 more pairs (20% of the samples), "
        "4 more normal-light photos (30% of the samples), 5 held out for validation"
    )


def all_trained(training: TrainingData) -> set:
    stores = [training.pairs.high, training.normal, *(source.high for source in training.extra)]
    return {value for store in stores for value in store.checksums}


def test_what_is_measured_is_trained_on_by_no_source(folders):
    """References lie about in several folders; each that is held out in one is in all."""
    for path in [*(folders / "pairs/high").iterdir(), *(folders / "more/high").iterdir()]:
        shutil.copy(path, folders / "bright" / f"copy_of_{path.name}")
    data = load(folders, *BOTH, normal_dir=str(folders / "bright"))
    measured = [data.validation, *data.extra_validation.values()]
    references = {value for pairs in measured for value in pairs.high.checksums}
    assert len(references) >= 4
    assert not references & all_trained(data.training)
    assert len(data.training.extra[1].high) > 6


def test_a_source_that_is_all_held_out_elsewhere_is_refused(folders):
    (trained,) = load(folders, val_fraction=0.75).training.pairs.high.names
    shutil.rmtree(folders / "bright")
    shutil.copytree(folders / "pairs" / "high", folders / "bright")
    (folders / "bright" / f"{trained}.png").unlink()
    with pytest.raises(UserError, match=r"all photos .* are held out elsewhere too; give others"):
        load(folders, "normal:@bright:0.5", val_fraction=0.75, extra_val_fraction=0.25)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("normal:@gone:0.2", "gone: no such folder"),
        ("pairs:@gone:0.2", "gone: no such folder"),
        ("pairs:@bright:0.2", "bright: has no folder low/"),
        ("normal:@more:0.2", "more: "),
    ],
)
def test_folders_that_are_missing_or_of_another_kind_are_named(folders, entry, said):
    with pytest.raises(UserError, match=said):
        load(folders, entry)


def test_two_folders_of_one_name_are_refused(folders):
    shutil.copytree(folders / "bright", folders / "other" / "bright")
    with pytest.raises(UserError, match="two folders are called bright; rename one"):
        load(folders, "normal:@bright:0.2", "normal:@other/bright:0.2")


def test_the_fingerprint_is_that_of_all_sources(folders):
    seen = [load(folders, *chosen).fingerprint for chosen in ((), BOTH[:1], BOTH[1:], BOTH)]
    assert len(set(seen)) == 4
    assert load(folders, *BOTH).fingerprint == seen[3]
    path = folders / "bright" / "photo_3.png"
    pixels = np.array(Image.open(path))
    pixels[20, 30, 1] ^= 1
    Image.fromarray(pixels).save(path)
    assert load(folders, *BOTH).fingerprint != seen[3]


def test_damaged_photos_of_a_source_are_left_out(folders):
    (folders / "bright" / "photo_1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"photo_1\.png: the file is empty"):
        load(folders, *BOTH)
    options = DataOptions(
        data_dir=str(folders / "pairs"), extra_data=(f"normal:{folders / 'bright'}:0.3",)
    )
    told = []
    data = load_run_data(options, PhotometricOptions(), THUMBNAIL, told.append)
    kept = data.training.extra[0].high.names + data.extra_validation["bright"].high.names
    assert sorted(kept) == [f"photo_{i}" for i in (0, 2, 3, 4, 5)]
    assert len(told) == 1


# ---------------------------------------------------------------- what is drawn


def flat(value: int, count: int):
    """A store of flat photos, whose value tells the store."""
    photos = [np.full((20, 24, 3), value + index, np.uint8) for index in range(count)]
    return store_in_memory(photos, [f"{value}_{index}" for index in range(count)])


PLAIN = PhotometricOptions(
    gamma=(2.0, 2.0), gain=(1.0, 1.0), cast=0.0, photons=(1e12, 1e12), read_noise=(0.0, 0.0)
)
OPTIONS = SampleOptions(
    crop_size=16, batch_size=8, seed=3, photometric_fraction=0.5, photometric=PLAIN, normal=True
)
# By the greatest value of the reference: pairs, their darkened references, the two sources.
SHARES = {"own": 0.5, "pairs": 0.2, "normal": 0.3}


@pytest.fixture(scope="module")
def sources() -> TrainingData:
    """Three pairs, two other pairs, four normal-light photos."""
    extra = [
        Source(flat(20, 2), flat(100, 2), SHARES["pairs"]),
        Source(None, flat(200, 4), SHARES["normal"]),
    ]
    return TrainingData(PairedPhotos(flat(10, 3), flat(60, 3)), None, THUMBNAIL, extra)


@pytest.fixture(scope="module")
def drawn(sources) -> dict[str, np.ndarray]:
    """Many samples."""
    dataset = tf.data.Dataset.range(SAMPLES).map(sampler(sources, OPTIONS)).batch(SAMPLES)
    return next(dataset.as_numpy_iterator())


def highs(drawn) -> np.ndarray:
    return np.round(255 * drawn["high"].max((1, 2, 3)))


def origins(drawn) -> dict[str, np.ndarray]:
    value = highs(drawn)
    return {
        "own": value < 100,
        "pairs": (value >= 100) & (value < 200),
        "normal": value >= 200,
    }


@pytest.mark.parametrize("name", SHARES)
def test_shares_are_those_of_the_samples(drawn, name):
    share = SHARES[name]
    # Four standard deviations of a binomial share.
    tolerance = 4 * np.sqrt(share * (1 - share) / SAMPLES)
    assert origins(drawn)[name].mean() == pytest.approx(share, abs=tolerance)


def test_the_rest_is_shared_between_pairs_and_darkened_references(drawn):
    own = origins(drawn)["own"]
    low, high = (drawn[name].max((1, 2, 3))[own] for name in ("low", "high"))
    paired = np.abs(low * 255 - np.round(high * 255) + 50) < 0.1
    darkened = np.abs(low - high**2) < 1 / 255
    assert (paired ^ darkened).all()
    assert paired.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(own.sum()))


def test_samples_are_of_one_photo(drawn):
    value = highs(drawn) / 255
    np.testing.assert_allclose(drawn["brightness"], value, rtol=1e-4)
    low = drawn["low"].max((1, 2, 3))
    np.testing.assert_allclose(drawn["thumbnail"].max((1, 2, 3)), low, atol=1 / 255)
    normal = drawn["normal"].max((1, 2, 3))
    np.testing.assert_allclose(drawn["normal_brightness"], normal, rtol=1e-4)
    np.testing.assert_allclose(drawn["normal_thumbnail"].max((1, 2, 3)), normal, atol=1e-5)
    # References of the pairs and the photos of the source: those that are darkened, all of them.
    assert set(np.round(255 * normal)) == {60, 61, 62, 200, 201, 202, 203}


def test_all_photos_of_a_source_are_drawn_alike(drawn):
    values = highs(drawn)[origins(drawn)["normal"]]
    counts = [np.sum(values == value) for value in range(200, 204)]
    # Of a quarter each; four standard deviations.
    expected = len(values) / 4
    assert np.abs(np.array(counts) - expected).max() < 4 * np.sqrt(expected * 0.75)


def test_a_sample_does_not_depend_on_where_the_run_began(sources, drawn):
    resumed = training_dataset(sources, OPTIONS, 30, 32)
    batches = list(resumed.as_numpy_iterator())
    for name, values in drawn.items():
        again = np.concatenate([batch[name] for batch in batches])
        np.testing.assert_array_equal(again, values[30 * 8 : 32 * 8])


def test_a_source_without_a_share_is_not_drawn_from(sources):
    extra = [Source(None, flat(200, 4), 1.0)]
    data = TrainingData(PairedPhotos(flat(10, 3), flat(60, 3)), None, THUMBNAIL, extra)
    (batch,) = training_dataset(data, OPTIONS, 0, 1).as_numpy_iterator()
    assert (highs(batch) >= 200).all()


# ---------------------------------------------------------------- brightness that is told


@pytest.fixture(scope="module")
def real(photo) -> TrainingData:
    """Photos with everything in them, alone."""
    views = [photo[30 * i : 30 * i + 96, 60 * i : 60 * i + 96] for i in range(5)]
    return TrainingData(None, store_in_memory(views, list("abcde")), THUMBNAIL)


EVERYTHING = PhotometricOptions(
    colour=0.7, well_lit=0.1, local=0.8, local_lift=(0.0, 1.5), noise_size=(0.0, 1.8),
    chroma_noise=(1.0, 2.5), jpeg=0.5, resize=0.5,
)  # fmt: skip


@pytest.mark.parametrize("photometric", [PLAIN, EVERYTHING])
def test_the_brightness_told_is_that_of_the_relit_photo(real, photometric):
    options = SampleOptions(
        crop_size=96, batch_size=40, seed=5, photometric=photometric, relight=1.5, relight_share=0.5
    )
    (batch,) = training_dataset(real, options, 0, 1).as_numpy_iterator()
    # The crops are whole photos, so that their mean luma is what is told. It is found by the
    # thumbnail, which lacks single bright and dark pixels.
    means = batch["high"].mean((1, 2)) @ np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(batch["brightness"], means, rtol=0.03)
    untouched = real.brightness(real.normal)
    changed = [np.abs(value / untouched - 1).min() > 1e-3 for value in batch["brightness"]]
    if photometric is PLAIN:
        # Half of 40, within four standard deviations.
        assert 20 - 13 <= sum(changed) <= 20 + 13
    # At most so many stops, and no photo is only darkened or only brightened.
    by_photo = np.log2(means[:, None] / untouched[None])
    nearest = np.take_along_axis(by_photo, np.abs(by_photo).argmin(1)[:, None], 1)
    assert np.ptp(nearest) > 0.1


def test_files_of_pairs_are_saved_like_those_that_are_darkened(photo):
    views = [photo[30 * i : 30 * i + 48, 60 * i : 60 * i + 48] for i in range(5)]
    stores = (store_in_memory(x, list("abcde")) for x in (views, views))
    data = TrainingData(PairedPhotos(*stores), None, THUMBNAIL)
    photometric = PhotometricOptions(jpeg=0.6, resize=0.5, jpeg_quality=(40.0, 60.0))
    kept = []
    for pair_files in (0.0, 0.5, 1.0):
        options = SampleOptions(
            crop_size=32, batch_size=60, seed=5, photometric=photometric, pair_files=pair_files
        )
        (batch,) = training_dataset(data, options, 0, 1).as_numpy_iterator()
        kept.append((batch["low"] == batch["high"]).all((1, 2, 3)).mean())
        assert np.abs(batch["low"] - batch["high"]).mean() < 0.03
    # Neither compressed nor resized: 0.7 * 0.75, 0.4 * 0.5, within four standard deviations.
    assert kept == [
        1.0,
        *(pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 60)) for p in (0.7 * 0.75, 0.4 * 0.5)),
    ]


def test_references_of_pairs_come_as_photos_that_stay(photo):
    views = [photo[30 * i : 30 * i + 48, 60 * i : 60 * i + 48] for i in range(5)]
    stores = [store_in_memory(x, list("abcde")) for x in ([x // 3 for x in views], views)]
    data = TrainingData(PairedPhotos(*stores), None, THUMBNAIL)
    options = SampleOptions(
        crop_size=32, batch_size=80, seed=5, exposure_jitter=0.5, pair_well_lit=0.3
    )
    (batch,) = training_dataset(data, options, 0, 1).as_numpy_iterator()
    stays = (batch["low"] == batch["high"]).all((1, 2, 3))
    # Within four standard deviations.
    assert stays.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 80))
    # Their thumbnails are those of the references, too.
    brightness = batch["thumbnail"].mean((1, 2)) @ LUMA
    np.testing.assert_allclose(brightness[stays], batch["brightness"][stays], rtol=0.05)
    assert (brightness[~stays] < 0.7 * batch["brightness"][~stays]).all()
