from __future__ import annotations

import dataclasses
import os
import shutil
from collections import namedtuple

import pytest

from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.errors import UserError
from drgn_tf.losses import LossOptions
from drgn_tf.models import preset
from drgn_tf.training import CadenceOptions, RunFolder, RunOptions, TrainingOptions

OPTIONS = RunOptions(
    preset("tiny"), LossOptions(), DataOptions("sample"), PhotometricOptions(), TrainingOptions()
)


def started(folder: RunFolder) -> None:
    """Makes the folder look like one with something to lose."""
    folder.checkpoints.mkdir()
    (folder.checkpoints / "step-5.index").write_text("")


def test_the_same_options_continue_a_run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.check_options(OPTIONS, "abc")
    folder.save_options(OPTIONS, "abc", "--steps=5\n")
    started(folder)
    folder.check_options(OPTIONS, "abc")
    assert (tmp_path / "run" / "run.flags").read_text() == "--steps=5\n"


def test_what_never_saved_anything_binds_to_nothing(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_options(OPTIONS, "abc", "")
    folder.check_options(dataclasses.replace(OPTIONS, training=TrainingOptions(steps=7)), "abc")


def test_other_photos_are_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_options(OPTIONS, "abc", "")
    started(folder)
    with pytest.raises(UserError, match="holds a run on other photos"):
        folder.check_options(OPTIONS, "def")


def test_a_folder_serves_one_process_at_a_time(tmp_path):
    refused = pytest.raises(UserError, match="another process trains here")
    with RunFolder(tmp_path).locked(), refused, RunFolder(tmp_path).locked():
        pass
    with RunFolder(tmp_path).locked():
        pass


def test_what_others_put_in_place_of_the_lock_stays(tmp_path):
    (tmp_path / "victim").write_text("mine")
    for put in (
        lambda path: path.symlink_to(tmp_path / "victim"),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
    ):
        folder = RunFolder(tmp_path / str(put.__code__.co_firstlineno))
        put(folder.file(".lock"))
        with pytest.raises(UserError, match=r"\.lock: cannot be locked"), folder.locked():
            pass
    assert (tmp_path / "victim").read_text() == "mine"


@pytest.mark.parametrize("content", [b"[1]", b"\xff\0", b"5", b"{"])
def test_a_damaged_configuration_is_named(tmp_path, content):
    folder = RunFolder(tmp_path)
    started(folder)
    for name in ("config.json", "best.json"):
        folder.file(name).write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json: cannot be read .* remove the folder"):
        folder.check_options(OPTIONS, "abc")
    assert folder.read_json("best.json") is None


def test_how_often_it_reports_and_where_photos_lie_may_change(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_options(OPTIONS, "abc", "")
    started(folder)
    moved = dataclasses.replace(
        OPTIONS, cadence=CadenceOptions(log_every=7), data=DataOptions("elsewhere")
    )
    folder.check_options(moved, "abc")


def test_each_difference_is_named(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_options(OPTIONS, "abc", "")
    started(folder)
    other = dataclasses.replace(
        OPTIONS, model=preset("tiny", scales=2), training=TrainingOptions(steps=7)
    )
    with pytest.raises(UserError) as error:
        folder.check_options(other, "abc")
    for text in (
        "model.scales was 3 and is now 2",
        "training.steps was 100000 and is now 7",
    ):
        assert text in str(error.value)


def test_a_run_from_before_an_option_was_there_goes_on(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_options(OPTIONS, "abc", "")
    started(folder)
    config = folder.read_json("config.json")
    for section, name in (("loss", "chroma_weight"), ("photometric", "well_lit")):
        del config[section][name]
    folder.write_json("config.json", config)
    folder.check_options(OPTIONS, "abc")
    other = dataclasses.replace(OPTIONS, photometric=PhotometricOptions(well_lit=0.5))
    with pytest.raises(UserError, match=r"photometric.well_lit was 0.0 and is now 0.5"):
        folder.check_options(other, "abc")


def test_a_run_of_an_earlier_release_is_named(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_options(OPTIONS, "abc", "")
    started(folder)
    config = folder.read_json("config.json")
    config["training"]["keep_by"] = config["training"].pop("monitor")
    folder.write_json("config.json", config)
    with pytest.raises(UserError, match=r"earlier release.*\(keep_by\).*--run_dir") as error:
        folder.check_options(OPTIONS, "abc")
    assert "\n" not in str(error.value)
    folder.save_options(OPTIONS, "abc", "")
    config = folder.read_json("config.json")
    del config["checkpoint_form"]
    folder.write_json("config.json", config)
    with pytest.raises(UserError, match="earlier release, whose checkpoints have another form"):
        folder.check_options(OPTIONS, "abc")


def test_a_full_disk_is_said_with_numbers(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 5 * 10**6))
    with pytest.raises(UserError, match=r"5 MB are free and the run needs up to \d+ MB"):
        RunFolder(tmp_path).check_space(10**6, CadenceOptions(), 10_000)


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        RunFolder(tmp_path / "file" / "run")


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    left = [".partial-x1", "checkpoints/.partial-y2"]
    for name in left:
        (tmp_path / name).mkdir()
        (tmp_path / name / "half.keras").write_bytes(b"half")
    # Of earlier releases.
    (tmp_path / ".last.partial.keras").write_bytes(b"half")
    kept = ["last.keras", "notes.txt", ".hidden", ".lock", "checkpoints/step-5.index"]
    for name in kept:
        (tmp_path / name).write_text("")
    (tmp_path / "elsewhere" / ".partial-z3").mkdir(parents=True)
    folder.remove_partial()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert found == {*kept, "checkpoints", "elsewhere", "elsewhere/.partial-z3"}
