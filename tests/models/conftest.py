"""Networks that the tests of this folder share."""

from __future__ import annotations

import pytest

from drgn_tf.models import DRGN
from tests.networks import with_random_weights


@pytest.fixture(scope="session")
def model() -> DRGN:
    """A tiny network whose every weight matters. Not to be changed."""
    return with_random_weights()


@pytest.fixture(scope="session")
def one_step_model() -> DRGN:
    """The same without a degradation generator. Not to be changed."""
    return with_random_weights(two_step=False)


@pytest.fixture(scope="session")
def untold_model() -> DRGN:
    """The same without a brightness. Not to be changed."""
    return with_random_weights(brightness=False)
