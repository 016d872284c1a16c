"""Pairs, and their metrics as a known network enhances them."""

from __future__ import annotations

import pytest

from drgn_tf.data.pairs import find_pairs
from drgn_tf.evaluation import image_quality
from tests.brighten import BRIGHTEN


@pytest.fixture
def pairs(pair_folder):
    return find_pairs(pair_folder)


@pytest.fixture
def metrics(pairs):
    return list(image_quality.evaluate_pairs([BRIGHTEN], pairs))
