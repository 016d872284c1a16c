"""Stops, and what can be asked for."""

from __future__ import annotations

import math

import pytest

from drgn_tf.brightness import BRIGHTEST, DARKEST, GAMMA, LUMA, expose, stops_between


@pytest.mark.parametrize("brightness", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("stops", [-1.5, 0.0, 0.5, 1.0])
def test_a_stop_is_twice_the_light(brightness, stops):
    exposed = expose(brightness, stops)
    assert exposed**GAMMA == pytest.approx(brightness**GAMMA * 2**stops)
    assert stops_between(brightness, exposed) == pytest.approx(stops)


@pytest.mark.parametrize("stops", [40.0, 1e6, math.inf])
def test_what_cannot_be_asked_for_becomes_the_nearest(stops):
    assert expose(0.4, stops) == BRIGHTEST
    assert expose(0.4, -stops) == DARKEST
    assert expose(0.0, 1.0) == DARKEST
    assert expose(1.0, 0.0) == BRIGHTEST


def test_luma_of_white_is_white():
    assert sum(LUMA) == pytest.approx(1.0)
