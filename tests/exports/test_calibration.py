"""Calibration: which photos, which cuttings, and ranges that keep the dark."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drgn_tf.data import sample
from drgn_tf.errors import UserError
from drgn_tf.exports import calibration
from drgn_tf.exports.calibration import calibration_samples, load_calibration_photos
from drgn_tf.images.photos import read_photo
from drgn_tf.inference import photo_thumbnail


def test_the_built_in_photos_are_mostly_dark(monkeypatch):
    # Every fourth row and column: as dark, and darkened in a sixteenth of the time.
    monkeypatch.setattr(calibration, "read_photo", lambda path: read_photo(path)[::4, ::4])
    photos = load_calibration_photos()
    assert len(photos) == 9 * len(sample.training_photos() + sample.held_out_photos())
    levels = [photo.mean() for photo in photos]
    assert all(photo.dtype == np.uint8 and photo.shape[2] == 3 for photo in photos)
    assert np.median(levels) < 50
    assert min(levels) < 8
    # Each also as it is: brighter photos must not fall out of all ranges.
    assert sum(level > 60 for level in levels) >= 3


def test_a_folder_of_photos(tmp_path, photo):
    Image.fromarray(photo[:64, :80]).save(tmp_path / "a.png")
    (read,) = load_calibration_photos(tmp_path)
    np.testing.assert_array_equal(read, photo[:64, :80])


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="the folder is empty"):
        load_calibration_photos(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        load_calibration_photos(tmp_path / "absent")


def test_samples_are_the_same_each_time_and_know_the_whole_photo(dark_photos):
    first, second = (calibration_samples(dark_photos, (64, 48), 16, 7) for _ in range(2))
    assert len(first) == 7
    for i, (a, b) in enumerate(zip(first, second)):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.image.shape == (64, 48, 3) and a.image.dtype == np.uint8
        whole = photo_thumbnail(dark_photos[i % len(dark_photos)], 16)
        np.testing.assert_array_equal(a.thumbnail, whole)
    assert not np.array_equal(first[0].image, first[len(dark_photos)].image)


def test_samples_ask_for_a_brightness_or_for_none(dark_photos):
    samples = calibration_samples(dark_photos, (64, 48), 16, 42)
    asked = [float(sample.brightness[0, 0]) for sample in samples]
    assert samples[0].brightness.shape == (1, 1) and samples[0].brightness.dtype == np.float32
    assert asked.count(0.0) >= len(asked) // 2
    assert min(a for a in asked if a) < 0.3 and max(asked) > 0.6
    # Each photo is seen with both.
    for i in range(len(dark_photos)):
        assert {bool(a) for a in asked[i :: len(dark_photos)]} == {True, False}


def test_few_samples_come_from_all_over_the_photos(photo):
    photos = [photo[i : i + 200] for i in range(45)]
    thumbnails = [photo_thumbnail(photo, 16) for photo in photos]
    numbers = [
        next(i for i, whole in enumerate(thumbnails) if np.array_equal(whole, sample.thumbnail))
        for sample in calibration_samples(photos, (64, 48), 16, 15)
    ]
    assert len(set(numbers)) == 15
    assert min(numbers) < 10 and max(numbers) >= 35
    # Of every kind, where the kinds come in turn.
    assert len({number % 9 for number in numbers}) >= 6


def test_photos_smaller_than_the_file_fill_it(dark_photos):
    (sample,) = calibration_samples([dark_photos[0][:20, :30]], (64, 64), 16, 1)
    assert sample.image.shape == (64, 64, 3)
