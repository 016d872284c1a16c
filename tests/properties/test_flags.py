"""Flags of any value are read, or refused in one line."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["enhance", "eval", "export", "fit_brightness", "train"])
def test_any_values_of_flags_are_read_or_refused_in_one_line(programs, name):
    process = programs.run("-m", "tests.properties.flag_values", name)
    assert process.code == 0, process.output
