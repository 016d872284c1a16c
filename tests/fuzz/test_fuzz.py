"""The readers that are fuzzed take their seeds, and some changes of each, as they promise."""

from __future__ import annotations

import random
import warnings

import pytest

from tests.fuzz.__main__ import changed
from tests.fuzz.targets import TARGETS, FoundError, check, in_child

# What was found, and is mended.
FOUND = {
    "layouts": [
        b'{"kind": "yolov5", "class_names": ["a", "b"], "size": [1000000000, 1e400]}',
        b'{"kind": "ssd", "class_names": ["a"], "input_range": [0, 1' + b"0" * 400 + b"]}",
        b"[" * 100_000,
    ],
}


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.guided])
def test_readers_keep_their_promise(name, tmp_path):
    # As the package has it, where pytest has not put its own filters in place.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    target, generator = TARGETS[name], random.Random(7)
    seeds = target.seeds()
    for seed in [*seeds, *FOUND.get(name, ())]:
        target.read(seed, tmp_path)
    for _ in range(20):
        data = changed(generator.choice(seeds), generator)
        target.read(target.mutate(data, generator) if target.mutate else data, tmp_path)


@pytest.mark.parametrize("name", ["tflite", "onnx", "videos"])
def test_native_readers_run_in_child_processes(name, tmp_path):
    for seed in TARGETS[name].seeds()[:1]:
        TARGETS[name].read(seed, tmp_path)


def test_a_broken_promise_is_found():
    with pytest.raises(FoundError, match="KeyError"):
        in_child(lambda: {}["missing"])
    with pytest.raises(KeyError):
        check(lambda: {}["missing"])
