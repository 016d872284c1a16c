"""A few moments of the many that `python -m tests.kills` tries."""

from __future__ import annotations

import random

import pytest

from tests.kills.cases import Cache, EnhanceAgain, Evaluate
from tests.kills.kills import KINDS, Kills, Moment

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    made = Kills(tmp_path_factory.mktemp("kills") / "all", (EnhanceAgain, Evaluate, Cache))
    yield made
    made.close()


@pytest.mark.parametrize("case", [EnhanceAgain.name, Evaluate.name, Cache.name])
def test_nothing_is_lost(kills, case):
    last, generator = kills.calls(case, removals=True), random.Random(0)
    # The last calls give results their names.
    moments = [Moment(case, "call", place) for place in (last // 2, last - 6, last - 2)]
    moments += [
        Moment(case, "error", kills.calls(case) // 3, "ENOSPC"),
        Moment(case, "error", kills.calls(case) - 3, "EIO+"),
        *(kills.random_moment(generator, case, kind) for kind in KINDS if kind != "error"),
    ]
    for moment in moments:
        kills.disturb([moment])
