"""Options of any value are refused in one line, or hold finite numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drgn_tf.cli import program
from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.data.options import EXTRA_KINDS
from drgn_tf.inference import Tiling
from drgn_tf.losses import LossOptions
from drgn_tf.models import ModelOptions
from drgn_tf.training import CadenceOptions, TrainingOptions
from drgn_tf.training.options import MONITORS, PRECISIONS
from drgn_tf.training.tensorflow.brightness_fit import BrightnessFitOptions

_INTEGERS = st.one_of(st.integers(-2, 40), st.sampled_from([2**10, 2**31, 10**30]))
_FLOATS = st.one_of(st.floats(), st.floats(0, 1), st.floats(0.5, 100))
_TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from([*PRECISIONS, *MONITORS]),
    st.builds("{}:{}:{}".format, st.sampled_from(EXTRA_KINDS), st.text(max_size=5), st.floats()),
)
_VALUES = {
    int: _INTEGERS,
    float: _FLOATS,
    bool: st.booleans(),
    str: _TEXT,
    tuple[float, float]: st.tuples(_FLOATS, _FLOATS),
    tuple[str, ...]: st.lists(_TEXT, max_size=3).map(tuple),
}


def _numbers(value):
    if isinstance(value, tuple):
        return [number for entry in value for number in _numbers(entry)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize(
    "kind",
    [
        BrightnessFitOptions,
        CadenceOptions,
        DataOptions,
        LossOptions,
        ModelOptions,
        PhotometricOptions,
        Tiling,
        TrainingOptions,
    ],
)
@given(data=st.data())
def test_options_are_refused_or_finite(kind, data):
    types = get_type_hints(kind)
    names = data.draw(st.sets(st.sampled_from(sorted(types)), max_size=3))
    values = {name: data.draw(_VALUES[types[name]], label=name) for name in sorted(names)}
    if kind is ModelOptions:
        values = {"width": 8, "half_width": 4, **values}
    try:
        options = kind(**values)
    except ValueError as error:
        assert len(program.error_line(error).splitlines()) == 1
    else:
        for field in dataclasses.fields(options):
            value = getattr(options, field.name)
            assert all(map(math.isfinite, _numbers(value))), f"{field.name} is {value}"
