"""Measures the time of each type of operator with TensorFlow's profiler."""

from __future__ import annotations

import collections
import pathlib
import re
import tempfile
from collections.abc import Callable

import tensorflow as tf

# The profiler's format, which has no public name; see tests/test_private_names.py.
from tensorflow.tsl.profiler.protobuf import xplane_pb2

# "name of the node:type of the operator".
_OPERATOR = re.compile(r"[^:\s]+:(\w+)")
# These contain other operators.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "If", "IteratorGetNext")


def operator_seconds(run: Callable[[], object], calls: int) -> dict[str, float]:
    """Returns the seconds that operators of each type take in one call of `run`, longest first.

    Operators that run in parallel each count fully.
    """
    run()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(calls):
                run()
        (file,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace()
        space.ParseFromString(file.read_bytes())
    found: collections.Counter = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                match = _OPERATOR.fullmatch(plane.event_metadata[event.metadata_id].name)
                if match and match[1] not in _CALLS:
                    found[match[1]] += event.duration_ps * 1e-12 / calls
    return dict(found.most_common())
