"""What training on JAX says to those who ask for what it has not."""

from __future__ import annotations

import pytest

# Every flag in one process, which starts only once.
ASK = """
import importlib, sys
from absl.testing import flagsaver
from drgn_tf.cli import train

for name in train.FLAG_MODULES:
    importlib.import_module(name)
run_dir, *asked = sys.argv[1:]
for number, flag in enumerate(asked):
    run = f"--run_dir={run_dir}/{number}"
    sys.argv[1:] = ["--backend=jax", "--data_dir=sample", run, *flag.split()]
    with flagsaver.flagsaver():
        try:
            train.run()
        except SystemExit as error:
            print(flag, error.code, file=sys.stderr)
"""


@pytest.mark.long
def test_what_has_no_meaning_on_jax_or_does_not_fit_is_refused_in_one_line(on_jax, tmp_path):
    said = {
        "--strategy=mirrored": "--strategy is not for JAX",
        "--xla": "--xla is not for JAX",
        "--precision=mixed_float16": "--precision=mixed_float16 needs loss scaling",
        "--width=18": "width (18) must be divisible",
        "--logical_cpus=3": "JAX has 1 CPU devices already",
        "--batch_size=4096 --crop_size=256 --preset=base": "a step of --batch_size=4096 and "
        "--crop_size=256 needs about",
    }
    code, output = on_jax(ASK, tmp_path / "run", *said)
    assert code == 0, output
    lines = output.splitlines()
    for flag, text in said.items():
        assert lines[lines.index(f"{flag} 1") - 1].startswith(f"error: {text}"), flag
    # Only that of the step, which is judged when the photos are read.
    assert [path.name for path in (tmp_path / "run").iterdir()] == [str(len(said) - 1)]
