"""Flagfiles: those of the package from any folder, and people's own."""

from __future__ import annotations

import os

import pytest

from drgn_tf.errors import UserError
from drgn_tf.flags import flagfiles


def test_those_of_the_package_are_found_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name = flagfiles.expand(["--flagfile=lol_v1_mobile", "--steps=3"])
    assert by_name[-2:] == ["--preset=mobile", "--steps=3"]
    # It names lol_v1.flags, and that a list of photos.
    assert "--crop_size=48" in by_name
    (named,) = [flag for flag in by_name if flag.startswith("--val_list=")]
    with open(flagfiles.resolve(named.partition("=")[2])) as stems:
        assert "105\n" in stems
    for spelled in (
        ["--flagfile=lol_v1_mobile.flags"],
        ["--flagfile=flags/lol_v1_mobile.flags"],
        ["-flagfile", "lol_v1_mobile"],
    ):
        assert flagfiles.expand([*spelled, "--steps=3"]) == by_name


def test_every_one_of_the_package_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "sample" in flagfiles.names()
    for name in flagfiles.names():
        flags = flagfiles.expand([f"--flagfile={name}"])
        assert flags and all(flag.startswith("--") for flag in flags)


def test_a_file_that_exists_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lol_v1").write_text("# mine\n\n  --steps=7\n// the end\n")
    assert flagfiles.expand(["a", "--flagfile=lol_v1", "b"]) == ["a", "--steps=7", "b"]
    (tmp_path / "lol_v1").unlink()
    (tmp_path / "lol_v1").mkdir()
    assert "--crop_size=48" in flagfiles.expand(["--flagfile=lol_v1"])


def test_after_two_dashes_there_are_no_flags():
    arguments = ["--", "--flagfile=absent"]
    assert flagfiles.expand(arguments) == arguments


def test_what_cannot_be_read_is_said(tmp_path):
    (tmp_path / "a.flags").write_text(f"--flagfile={tmp_path / 'b.flags'}\n")
    (tmp_path / "b.flags").write_text(f"--flagfile={tmp_path / 'a.flags'}\n")
    (tmp_path / "photo").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "zeros").write_bytes(b"--steps=5\0")
    (tmp_path / "large").write_text("# much\n" * 2_500_000)
    os.mkfifo(tmp_path / "pipe")
    for arguments, said in (
        ([f"--flagfile={tmp_path / 'a.flags'}"], r"a\.flags: this flagfile names itself"),
        *(
            ([f"--flagfile={path}"], f"{path}: is no flagfile")
            for path in (*map(tmp_path.joinpath, ("photo", "zeros", "large", "pipe")), tmp_path)
        ),
        (["--flagfile=~nobody-here/a.flags"], "no such file; those of the package are ablation_"),
        (["--flagfile=/dev/zero"], "/dev/zero: is no flagfile"),
        (["--flagfile=lol"], "no such file; those of the package are ablation_"),
        (["--flagfile"], "needs a file or a name"),
    ):
        with pytest.raises(UserError, match=said):
            flagfiles.expand(arguments)


def test_flagfiles_that_would_never_end_are_given_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many").write_text("--overwrite\n" * 10_001)
    for number in range(60):
        (tmp_path / f"deep{number}").write_text(f"--flagfile=deep{number + 1}")
        (tmp_path / f"twice{number}").write_text(f"--flagfile=twice{number + 1}\n" * 2)
    # 2^40 times nothing.
    (tmp_path / "twice40").write_text("")
    for name, said in (
        ("many", "many: makes more than 10000 lines of flags"),
        ("twice0", r"twice\d+: makes more than 10000 lines of flags"),
        ("deep0", "deep50: is named inside 50 other flagfiles"),
    ):
        with pytest.raises(UserError, match=said):
            flagfiles.expand([f"--flagfile={name}"])
