"""Gives a program's flags any values; run by test_flags.py, in a process with those flags alone.

python -m tests.properties.flag_values enhance
"""

from __future__ import annotations

import importlib
import math
import sys

from absl import flags
from absl.testing import flagsaver
from hypothesis import given, settings
from hypothesis import strategies as st

from drgn_tf.cli import program
from drgn_tf.errors import UserError, user_errors

_TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.integers().map(str),
    st.integers(0, 600).map(str),
    st.floats().map(repr),
    st.lists(st.floats(-6, 6).map("{:g}".format), max_size=3).map(",".join),
    st.sampled_from(["", "nan", "-inf", "1e999", "64x96,0x3", "png", "true", "a=b", "--", "0x10",
                     "1,2", "2,1", "keep", "sample", "pairs:x:0.5", "ssim", "mixed_float16"]),
)  # fmt: skip


def _values(name: str) -> None:
    """Reads all flags of a program, as it does."""
    if name == "train":
        from drgn_tf.cli.train import run_options

        run_options()
        return
    if name == "fit_brightness":
        from drgn_tf.flags.fit_flags import fit_options

        with user_errors():
            fit_options()
        return
    module = importlib.import_module(f"drgn_tf.flags.{name}_flags")
    for reader in ("check", "exposures", "output_options", "tiling", "export_options"):
        getattr(module, reader, lambda: None)()


def main(name: str) -> None:
    cli = importlib.import_module(f"drgn_tf.cli.{'evaluate' if name == 'eval' else name}")
    for module in getattr(cli, "FLAG_MODULES", ()):
        importlib.import_module(module)
    key_flags = [
        flag.name
        for module in sys.modules
        if module.startswith("drgn_tf.flags.")
        for flag in flags.FLAGS.get_key_flags_for_module(sys.modules[module])
    ]
    required = [
        f"--{flag}=x" for flag in ("output_dir", "run_dir", "model", "output") if flag in key_flags
    ]
    flag = st.builds("--{}={}".format, st.sampled_from(sorted(key_flags)), _TEXT)

    @settings(derandomize=True, database=None, deadline=None, max_examples=200)
    @given(st.lists(st.one_of(flag, _TEXT), min_size=1, max_size=4))
    def any_values(arguments: list[str]) -> None:
        with flagsaver.flagsaver():
            try:
                program.parse_flags([name, *required, *arguments])
                _values(name)
            except UserError as error:
                assert len(program.error_line(error).splitlines()) == 1
                return
            for key in key_flags:
                value = flags.FLAGS[key].value
                assert not isinstance(value, float) or math.isfinite(value), f"{key}={value}"

    any_values()


if __name__ == "__main__":
    main(sys.argv[1])
