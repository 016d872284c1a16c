"""Times several functions in turn, because the speed of shared machines drifts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def seconds(run: Callable[[], object], least: float) -> float:
    """Returns the seconds per call, averaged over calls of at least `least` seconds."""
    calls = 0
    begin = now = time.perf_counter()
    while not calls or now - begin < least:
        run()
        calls += 1
        now = time.perf_counter()
    return (now - begin) / calls


def alternate(
    calls: Mapping[str, Callable[[], object]], rounds: int, least: float
) -> dict[str, float]:
    """Times several functions in turn, round after round.

    Args:
      calls: functions by name; each is called once beforehand, to compile.
      rounds: number of measurements.
      least: minimum seconds per measurement.

    Returns:
      The median over the rounds of the seconds per call, by name.
    """
    for run in calls.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, run in calls.items():
            times[name].append(seconds(run, least))
    return {name: statistics.median(values) for name, values in times.items()}
