"""The options of the networks and the presets."""

from __future__ import annotations

import dataclasses
import json

import pytest

from drgn_tf.models import PRESETS, ModelOptions, preset


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0),
        ("width", -8),
        ("width", 10),  # not divisible by reduction
        ("half_width", 0),
        ("scales", 0),
        ("scales", 4),
        ("branch_blocks", -1),
        ("fusion_blocks", -1),
        ("reduction", 0),
        ("reduction", 3),
        ("reduction", 16),  # more than there are channels
        ("context_width", 0),
        ("context_width", 6),
        ("thumbnail_size", 0),
        ("thumbnail_size", 12),
        ("width", 1028),
        ("fusion_blocks", 65),
        ("thumbnail_size", 2048),
        ("width", 8.0),
        ("scales", True),
        ("two_step", 1),
    ],
)
def test_options_that_make_no_network_are_named(field, value):
    valid = {"width": 8, "half_width": 4}
    with pytest.raises(ValueError, match=rf"\b{field}\b"):
        ModelOptions(**{**valid, field: value})


def test_preset_is_what_it_says():
    assert preset("tiny") == PRESETS["tiny"]
    assert {"base", "mobile", "tiny"} <= set(PRESETS)


def test_preset_with_changes_leaves_the_preset_alone():
    changed = preset("tiny", scales=1, two_step=False)
    assert (changed.scales, changed.two_step, changed.width) == (1, False, PRESETS["tiny"].width)
    assert (PRESETS["tiny"].scales, PRESETS["tiny"].two_step) == (3, True)


def test_changes_of_a_preset_are_checked():
    with pytest.raises(ValueError, match="scales"):
        preset("tiny", scales=5)


def test_an_unknown_preset_is_told_the_choices():
    with pytest.raises(ValueError, match="nope") as caught:
        preset("nope")
    for name in PRESETS:
        assert name in str(caught.value)


def test_options_cannot_change_under_a_network():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("tiny").width = 12


def test_options_survive_a_json_file():
    options = preset("mobile", two_step=False)
    assert ModelOptions(**json.loads(json.dumps(options.to_dict()))) == options
