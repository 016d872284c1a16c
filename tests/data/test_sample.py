"""The built-in photos."""

import importlib.machinery
import importlib.util

import numpy as np
import pytest

from drgn_tf.data import sample
from drgn_tf.errors import UserError
from drgn_tf.images.photos import read_photo


def test_three_photos_train_and_two_are_held_out():
    training, held_out = sample.training_photos(), sample.held_out_photos()
    assert [path.stem for path in training] == ["astronaut", "coffee", "rocket"]
    assert [path.stem for path in held_out] == ["chelsea", "grace_hopper"]


def test_all_are_photos_large_enough_for_the_largest_crops():
    for path in sample.training_photos() + sample.held_out_photos():
        pixels = read_photo(path)
        assert pixels.dtype == np.uint8
        assert min(pixels.shape[:2]) >= 256


def test_they_are_found_without_importing_the_packages_that_carry_them(monkeypatch):
    found = []
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: found.append(name) or find_spec(name)
    )
    assert sample.training_photos() and sample.held_out_photos()
    # A dotted name would import the package in front of the dot.
    assert set(found) == {"skimage", "matplotlib"}


def test_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"need skimage; pip install .drgn-tf\[train\]"):
        sample.training_photos()


def test_photo_that_the_package_lacks_is_named(monkeypatch, tmp_path):
    def elsewhere(name):
        # A new spec: the one that is found belongs to the package for as long as the process.
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations.append(str(tmp_path))
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", elsewhere)
    with pytest.raises(UserError, match=r"chelsea\.png: .*skimage lacks this photo; reinstall"):
        sample.held_out_photos()
