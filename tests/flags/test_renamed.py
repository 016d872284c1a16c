"""Flags of earlier releases are refused with their new names."""

import pytest
from absl.testing import flagsaver

from drgn_tf.flags import data_flags, training_flags
from drgn_tf.flags.renamed import parse_flags


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
        with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
            parse_flags(["train_main.py", argument])
        assert ended.value.code == f"error: --{old.partition('=')[0]} is now --{now}."


def test_other_flags_are_parsed_as_ever(capsys):
    with flagsaver.flagsaver():
        assert parse_flags(["train_main.py", "--run_dir=run", "--steps=5", "rest"])[1:] == ["rest"]
        assert training_flags.training_options().steps == 5
    with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
        parse_flags(["train_main.py", "--run_dir=run", "--stepz=5"])
    assert ended.value.code == 1
    assert "Unknown command line flag 'stepz'" in capsys.readouterr().err
