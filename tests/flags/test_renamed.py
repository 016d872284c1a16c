"""Flags of earlier releases are refused with their new names."""

import pytest
from absl.testing import flagsaver

from drgn_tf.cli.program import parse_flags
from drgn_tf.errors import UserError
from drgn_tf.flags import data_flags, training_flags


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("accumulate=2", "gradient_accumulation_steps"),
        ("final_learning_rate=0.1", "final_learning_rate_ratio"),
        ("keep_by=ssim", "monitor"),
        ("reference_dir=photos", "normal_dir"),
    ],
)
def test_an_old_flag_names_the_new_one(old, now, tmp_path):
    defined = [*training_flags._TRAINING, data_flags._NORMAL_DIR]
    assert now in [flag.name for flag in defined]
    flagfile = tmp_path / "run.flags"
    flagfile.write_text(f"--{old}\n")
    for argument in (f"--{old}", f"--flagfile={flagfile}"):
        with flagsaver.flagsaver(), pytest.raises(UserError) as raised:
            parse_flags(["drgn-train", argument])
        assert str(raised.value) == f"--{old.partition('=')[0]} is now --{now}."


@pytest.mark.usefixtures("flags_of_one_program")
def test_other_flags_are_parsed_as_ever():
    assert parse_flags(["drgn-train", "--run_dir=run", "--steps=5", "rest"])[1:] == ["rest"]
    assert training_flags.training_options().steps == 5
