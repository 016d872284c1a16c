"""From folders to what trains, validates and tests."""

import functools
import shutil

import numpy as np
import pytest
from PIL import Image

from drgn_tf.data.dataset import training_dataset
from drgn_tf.data.decoded_photos import read_stores, store_in_memory
from drgn_tf.data.loading import darkened_pairs, load_run_data
from drgn_tf.data.low_light_simulation import PhotometricOptions
from drgn_tf.data.options import DataOptions, SampleOptions
from drgn_tf.errors import UserError
from drgn_tf.images.photos import BadImageError, list_photos, read_photo, to_float
from drgn_tf.models.context import thumbnail

THUMBNAIL = functools.partial(thumbnail, size=16)
STEMS = [f"view_{i}" for i in range(4)]


def load(data_dir="", on_bad=None, photometric=PhotometricOptions(), **others):
    options = DataOptions(data_dir=str(data_dir), **{k: str(v) for k, v in others.items()})
    return load_run_data(options, photometric, THUMBNAIL, on_bad)


def write_list(folder, *stems):
    path = folder / "held_out.txt"
    path.write_text("\n".join(stems))
    return path


@pytest.fixture
def normal_folder(tmp_path, photo):
    """A folder of five normal-light photos, 40x32 pixels."""
    folder = tmp_path / "normal"
    folder.mkdir()
    for index in range(5):
        view = photo[200:232, 60 * index : 60 * index + 40]
        Image.fromarray(view).save(folder / f"scene_{index}.png")
    return folder


def assert_pairs_of(pairs, folder) -> None:
    """Checks that whole pairs are those of the files."""
    for name, low, high in pairs:
        assert low.dtype == high.dtype == np.float32
        np.testing.assert_array_equal(low, to_float(read_photo(folder / "low" / f"{name}.png")))
        np.testing.assert_array_equal(high, to_float(read_photo(folder / "high" / f"{name}.png")))


# ---------------------------------------------------------------- pairs


def test_pairs_are_split_without_overlap_or_loss(pair_folder):
    data = load(pair_folder)
    assert len(data.training.pairs.low) == 3 and len(data.validation) == 1
    assert sorted(data.training.pairs.low.names + data.validation.low.names) == STEMS
    assert data.training.pairs.high.names == data.training.pairs.low.names
    assert data.training.normal is data.training.pairs.high
    assert data.test is None
    assert_pairs_of(data.validation, pair_folder)


def test_split_is_the_same_every_time(pair_folder):
    first, second = load(pair_folder), load(pair_folder)
    assert first.validation.low.names == second.validation.low.names
    assert first.fingerprint == second.fingerprint


def test_fraction_says_how_many_are_held_out(pair_folder):
    options = DataOptions(data_dir=str(pair_folder), val_fraction=0.5)
    data = load_run_data(options, PhotometricOptions(), THUMBNAIL)
    assert len(data.training.pairs.low) == len(data.validation) == 2
    assert not set(data.training.pairs.low.names) & set(data.validation.low.names)


def test_list_says_which_are_held_out(pair_folder, tmp_path):
    data = load(pair_folder, val_list=write_list(tmp_path, "# dark", "view_3", "view_1"))
    assert data.validation.low.names == ["view_1", "view_3"]
    assert data.training.pairs.low.names == ["view_0", "view_2"]
    assert_pairs_of(data.validation, pair_folder)


def test_subfolders_train_and_test(pair_folder, tmp_path):
    shutil.copytree(pair_folder, tmp_path / "set" / "our485")
    shutil.copytree(pair_folder, tmp_path / "set" / "eval15")
    for name in ("low", "high"):
        (tmp_path / "set" / "eval15" / name / "view_0.png").unlink()
    data = load(tmp_path / "set", train_pairs="our485", test_pairs="eval15")
    assert len(data.training.pairs.low) + len(data.validation) == 4
    assert data.test.low.names == STEMS[1:]
    assert len(data.test) == 3
    assert_pairs_of(data.test, tmp_path / "set" / "eval15")


def test_normal_folder_beside_pairs_is_all_trained_on(pair_folder, normal_folder):
    data = load(pair_folder, normal_dir=normal_folder)
    assert data.training.normal.names == [f"scene_{i}" for i in range(5)]
    assert len(data.training.pairs.low) == 3
    assert_pairs_of(data.validation, pair_folder)


def test_loaded_data_makes_batches(pair_folder, normal_folder):
    data = load(pair_folder, normal_dir=normal_folder)
    samples = SampleOptions(
        crop_size=32, batch_size=4, seed=1, photometric_fraction=0.5, normal=True
    )
    (batch,) = training_dataset(data.training, samples, 0, 1)
    assert batch["low"].shape == (4, 32, 32, 3)
    assert batch["normal_thumbnail"].shape == (4, 16, 16, 3)


# ---------------------------------------------------------------- normal-light photos alone


def test_normal_folder_alone_is_split_without_overlap_or_loss(normal_folder):
    data = load(normal_dir=normal_folder)
    assert data.training.pairs is None and data.test is None
    assert len(data.training.normal) == 4 and len(data.validation) == 1
    names = data.training.normal.names + data.validation.high.names
    assert sorted(names) == [f"scene_{i}" for i in range(5)]


def test_list_holds_out_normal_light_photos_too(normal_folder, tmp_path):
    listed = write_list(tmp_path, "scene_4", "scene_0")
    data = load(normal_dir=normal_folder, val_list=listed)
    assert data.validation.low.names == data.validation.high.names == ["scene_0", "scene_4"]
    assert data.training.normal.names == ["scene_1", "scene_2", "scene_3"]


def test_held_out_photos_are_darkened_alike_every_time(normal_folder):
    first, second = (load(normal_dir=normal_folder).validation for _ in range(2))
    for (name, low, high), (_, low_again, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(low, low_again)
        expected = to_float(read_photo(normal_folder / f"{name}.png"))
        np.testing.assert_array_equal(high, expected)
        assert low.mean() < 0.8 * high.mean()
        np.testing.assert_allclose(low * 255, np.rint(low * 255), atol=1e-4)


def test_equal_photos_are_darkened_each_in_its_own_way(normal_folder):
    path = next(iter(list_photos(normal_folder).values()))
    pairs = darkened_pairs(
        store_in_memory([read_photo(path)] * 4, list("abcd")), PhotometricOptions()
    )
    brightness = sorted(low.mean() for _, low, _ in pairs)
    assert np.diff(brightness).min() > 1e-3


def test_held_out_photos_are_darkened_as_the_options_say(normal_folder):
    (photos,) = read_stores([(path,) for path in list_photos(normal_folder).values()])
    plain = PhotometricOptions(
        gamma=(2.0, 2.0), gain=(1.0, 1.0), cast=0.0, photons=(1e12, 1e12), read_noise=(0.0, 0.0)
    )
    for _, low, high in darkened_pairs(photos, plain):
        np.testing.assert_allclose(low, high**2, atol=0.502 / 255)


def test_held_out_photos_are_all_darkened_and_keep_their_colours(normal_folder):
    (photos,) = read_stores([(path,) for path in list_photos(normal_folder).values()])
    trained = PhotometricOptions(well_lit=0.9, colour=1.0, local=1.0, jpeg=1.0, resize=1.0)
    for (_, low, _), (_, plain, _) in zip(
        darkened_pairs(photos, trained), darkened_pairs(photos, PhotometricOptions()), strict=True
    ):
        np.testing.assert_array_equal(low, plain)


# ---------------------------------------------------------------- built-in photos


def test_sample_set_needs_no_folder():
    data = load("sample")
    assert data.training.pairs is None and data.test is None
    assert data.training.normal.names == ["astronaut", "coffee", "rocket"]
    assert data.validation.low.names == ["chelsea", "grace_hopper"]
    for _, low, high in data.validation:
        assert low.shape == high.shape and low.mean() < 0.8 * high.mean()


# ---------------------------------------------------------------- summary


def test_summary_counts_everything_in_one_line(pair_folder, normal_folder, tmp_path):
    assert load(pair_folder).summary == "3 pairs to train on, 1 held out for validation"
    assert load(normal_dir=normal_folder).summary == (
        "4 normal-light photos to darken, 1 held out for validation"
    )
    shutil.copytree(pair_folder, pair_folder / "test")
    assert load(pair_folder, normal_dir=normal_folder, test_pairs="test").summary == (
        "3 pairs to train on, 5 normal-light photos to darken, 1 held out for validation, "
        "4 to test on"
    )


# ---------------------------------------------------------------- fingerprint


def test_fingerprint_stays_when_the_folder_moves(pair_folder, normal_folder, tmp_path):
    before = load(pair_folder, normal_dir=normal_folder).fingerprint
    moved = shutil.copytree(pair_folder, tmp_path / "elsewhere" / "moved")
    normal = shutil.copytree(normal_folder, tmp_path / "elsewhere" / "photos")
    assert load(moved, normal_dir=normal).fingerprint == before


def add_pair(folder, stem) -> None:
    for name in ("low", "high"):
        shutil.copy(folder / name / "view_0.png", folder / name / f"{stem}.png")


def test_fingerprint_changes_with_every_pair_that_is_added(pair_folder):
    seen = {load(pair_folder).fingerprint}
    for stem in ("new", "view_9", "another"):
        add_pair(pair_folder, stem)
        seen.add(load(pair_folder).fingerprint)
    assert len(seen) == 4


def test_fingerprint_changes_when_a_normal_photo_is_added(pair_folder, normal_folder):
    beside, alone = (
        load(folder, normal_dir=normal_folder).fingerprint for folder in (pair_folder, "")
    )
    shutil.copy(normal_folder / "scene_0.png", normal_folder / "new.png")
    assert load(pair_folder, normal_dir=normal_folder).fingerprint != beside
    assert load(normal_dir=normal_folder).fingerprint != alone


def test_fingerprint_changes_with_the_split(pair_folder, tmp_path):
    seen = {load(pair_folder, val_list=write_list(tmp_path, stem)).fingerprint for stem in STEMS}
    assert len(seen) == 4


@pytest.mark.parametrize("stem", STEMS[2:])
def test_fingerprint_changes_with_size_and_name_on_either_side(pair_folder, tmp_path, stem):
    seen = {load(pair_folder, val_list=write_list(tmp_path, "view_3")).fingerprint}
    paths = [pair_folder / name / f"{stem}.png" for name in ("low", "high")]
    for path in paths:
        Image.open(path).crop((0, 0, 40, 48)).save(path)
    seen.add(load(pair_folder, val_list=write_list(tmp_path, "view_3")).fingerprint)
    for path in paths:
        path.rename(path.with_name("renamed.png"))
    held_out = "renamed" if stem == "view_3" else "view_3"
    seen.add(load(pair_folder, val_list=write_list(tmp_path, held_out)).fingerprint)
    assert len(seen) == 3


@pytest.mark.parametrize("side", ["low", "high"])
@pytest.mark.parametrize("stem", ["view_0", "view_3"])
def test_fingerprint_changes_with_every_pixel(pair_folder, tmp_path, side, stem):
    listed = write_list(tmp_path, "view_3")
    before = load(pair_folder, val_list=listed).fingerprint
    path = pair_folder / side / f"{stem}.png"
    pixels = np.array(Image.open(path))
    pixels[20, 30, 1] ^= 1
    Image.fromarray(pixels).save(path)
    assert load(pair_folder, val_list=listed).fingerprint != before


def test_fingerprint_does_not_depend_on_what_is_only_measured(pair_folder):
    before = load(pair_folder).fingerprint
    shutil.copytree(pair_folder, pair_folder / "test")
    assert load(pair_folder, test_pairs="test").fingerprint == before


# ---------------------------------------------------------------- leaving photos out


@pytest.fixture
def damaged_folder(pair_folder):
    """Eight pairs, of which three cannot be used, each for its own reason."""
    for stem in ("view_4", "view_5", "view_6", "view_7"):
        add_pair(pair_folder, stem)
    truncated = pair_folder / "low" / "view_1.png"
    truncated.write_bytes(truncated.read_bytes()[:500])
    (pair_folder / "high" / "view_4.png").unlink()
    smaller = pair_folder / "high" / "view_6.png"
    Image.open(smaller).crop((0, 0, 64, 40)).save(smaller)
    return pair_folder


GOOD = ["view_0", "view_2", "view_3", "view_5", "view_7"]


def test_photos_that_cannot_be_used_are_told_and_the_rest_is_kept(damaged_folder, tmp_path):
    collected = []
    listed = write_list(tmp_path, "view_1", "view_2", "view_3")
    data = load(damaged_folder, collected.append, val_list=listed)
    assert (
        data.training.pairs.low.names
        == data.training.pairs.high.names
        == ["view_0", "view_5", "view_7"]
    )
    assert data.validation.low.names == data.validation.high.names == ["view_2", "view_3"]
    assert_pairs_of(data.validation, damaged_folder)
    assert all(isinstance(error, UserError) for error in collected)
    messages = [str(error) for error in collected]
    assert not any("\n" in message for message in messages)
    for told in (
        "view_1.png: is damaged",
        "view_4.png: has no counterpart",
        "view_6.png: is 64x40",
    ):
        assert sum(told in message for message in messages) == 1
    assert len(messages) == 3


def test_training_pairs_stay_aligned_when_photos_are_left_out(damaged_folder):
    data = load(damaged_folder, lambda error: None)
    for index, name in enumerate(data.training.pairs.low.names):
        for store, side in ((data.training.pairs.low, "low"), (data.training.pairs.high, "high")):
            expected = to_float(read_photo(damaged_folder / side / f"{name}.png"))
            np.testing.assert_array_equal(store.photo(index), expected)
    assert sorted(data.training.pairs.low.names + data.validation.low.names) == GOOD


def test_without_permission_to_skip_the_first_bad_photo_is_raised(damaged_folder):
    with pytest.raises(UserError, match=r"view_4\.png: has no counterpart"):
        load(damaged_folder)
    (damaged_folder / "low" / "view_4.png").unlink()
    with pytest.raises(BadImageError, match=r"view_[16]\.png"):
        load(damaged_folder)


def test_bad_photo_does_not_move_others_between_the_sides(pair_folder):
    for index in range(4, 40):
        add_pair(pair_folder, f"view_{index}")
    before = load(pair_folder)
    (pair_folder / "low" / f"{before.training.pairs.low.names[0]}.png").write_bytes(b"")
    after = load(pair_folder, lambda error: None)
    assert after.validation.low.names == before.validation.low.names
    assert after.training.pairs.low.names == before.training.pairs.low.names[1:]


def test_bad_normal_photos_are_left_out(pair_folder, normal_folder):
    (normal_folder / "scene_2.png").write_bytes(b"")
    for data_dir in (pair_folder, ""):
        with pytest.raises(BadImageError, match=r"scene_2\.png: the file is empty"):
            load(data_dir, normal_dir=normal_folder)
        collected = []
        data = load(data_dir, collected.append, normal_dir=normal_folder)
        assert "scene_2" not in data.training.normal.names
        assert [str(error).split(":")[0] for error in collected] == [
            str(normal_folder / "scene_2.png")
        ]


def test_bad_test_pairs_are_left_out(pair_folder):
    shutil.copytree(pair_folder, pair_folder / "test")
    (pair_folder / "test" / "high" / "view_2.png").write_bytes(b"")
    collected = []
    data = load(pair_folder, collected.append, test_pairs="test")
    assert data.test.low.names == data.test.high.names == ["view_0", "view_1", "view_3"]
    assert len(collected) == 1


def test_listed_photo_without_counterpart_is_left_out_too(pair_folder, tmp_path):
    (pair_folder / "low" / "view_3.png").unlink()
    collected = []
    listed = write_list(tmp_path, "view_1", "view_3")
    data = load(pair_folder, collected.append, val_list=listed)
    assert data.validation.low.names == ["view_1"]
    assert data.training.pairs.low.names == ["view_0", "view_2"]
    assert len(collected) == 1


# ---------------------------------------------------------------- what is missing


def test_no_data_at_all_names_the_choices():
    with pytest.raises(UserError, match=r"--data_dir .*'sample'.*--normal_dir"):
        load()


@pytest.mark.parametrize("flag", ["train_pairs", "test_pairs", "normal_dir", "val_list"])
def test_nothing_can_be_added_to_the_sample_set(normal_folder, flag):
    with pytest.raises(UserError, match=rf"--{flag} has no meaning with --data_dir=sample"):
        load("sample", **{flag: normal_folder})


@pytest.mark.parametrize("flag", ["train_pairs", "test_pairs"])
def test_subfolder_of_pairs_needs_the_data_folder(normal_folder, flag):
    with pytest.raises(UserError, match=rf"--{flag} is a folder inside --data_dir"):
        load(normal_dir=normal_folder, **{flag: "pairs"})


def test_missing_data_folder_is_named_with_its_flag(tmp_path):
    with pytest.raises(UserError, match=r"absent: no such folder; --data_dir"):
        load(tmp_path / "absent")


@pytest.mark.parametrize("flag", ["train_pairs", "test_pairs"])
def test_missing_subfolder_is_named(pair_folder, flag):
    with pytest.raises(UserError, match=r"absent: no such folder"):
        load(pair_folder, **{flag: "absent"})


def test_folder_without_low_and_high_is_named(normal_folder):
    with pytest.raises(UserError, match=r"normal: has no folder low/"):
        load(normal_folder)


def test_missing_or_empty_normal_folder_is_named(pair_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for data_dir in (pair_folder, ""):
        with pytest.raises(UserError, match=r"absent: no such folder"):
            load(data_dir, normal_dir=tmp_path / "absent")
        with pytest.raises(UserError, match=r"empty: the folder is empty"):
            load(data_dir, normal_dir=tmp_path / "empty")


def test_missing_list_is_named(pair_folder, tmp_path):
    with pytest.raises(UserError, match=r"absent\.txt: cannot be read"):
        load(pair_folder, val_list=tmp_path / "absent.txt")


def test_listed_photo_that_does_not_exist_is_named(pair_folder, tmp_path):
    with pytest.raises(UserError, match=r"'view_7', which is no stem"):
        load(pair_folder, val_list=write_list(tmp_path, "view_7"))


def test_single_pair_cannot_be_split(pair_folder):
    for name in ("low", "high"):
        for index in (1, 2, 3):
            (pair_folder / name / f"view_{index}.png").unlink()
    with pytest.raises(UserError, match="no photo for training"):
        load(pair_folder)


def test_nothing_usable_left_is_an_error_even_when_photos_may_be_left_out(pair_folder):
    for path in (pair_folder / "low").iterdir():
        path.write_bytes(b"")
    collected = []
    with pytest.raises(UserError, match="photos can be used"):
        load(pair_folder, collected.append)
    assert len(collected) >= 1


def test_held_out_references_are_left_out_of_the_normal_photos(pair_folder):
    data = load(pair_folder, normal_dir=pair_folder / "high")
    assert set(data.training.normal.names) == set(data.training.pairs.low.names)
    assert not set(data.training.normal.names) & set(data.validation.low.names)
