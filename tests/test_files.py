from __future__ import annotations

import errno
import multiprocessing
import os
import platform
import signal
import stat

import pytest

from drgn_tf import files
from drgn_tf.errors import UserError
from drgn_tf.files import (
    atomic_path,
    ignores_case,
    make_folder,
    move,
    partial_folder,
    read_text,
    remove_partial,
    sha256,
)


def test_a_failed_write_leaves_the_file_before_and_nothing_beside(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("earlier")
    with pytest.raises(UserError, match="disk full"), atomic_path(path) as beside:
        assert beside.suffix == ".keras"
        beside.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "earlier"
    assert [found.name for found in tmp_path.iterdir()] == ["best.keras"]


def test_a_failed_folder_leaves_nothing_beside(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "1") as beside:
        beside.mkdir()
        (beside / "half").write_text("half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_whole(tmp_path):
    with atomic_path(tmp_path / "1") as beside:
        (beside / "inner").mkdir(parents=True)
        (beside / "inner" / "a").write_text("whole")
    assert (tmp_path / "1" / "inner" / "a").read_text() == "whole"
    assert [found.name for found in tmp_path.iterdir()] == ["1"]


def test_what_others_put_there_is_neither_written_through_nor_removed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path = tmp_path / "a.png"
    path.symlink_to(victim)
    planted = {}
    for index in range(2):
        with atomic_path(path) as beside:
            # The name cannot be known before, nor can others write beside it.
            assert beside not in planted and not beside.exists()
            assert stat.S_IMODE(beside.parent.stat().st_mode) == 0o700
            planted[beside] = beside.parent.name
            beside.write_text(f"result {index}")
    assert victim.read_text() == "mine"
    assert path.read_text() == "result 1" and not path.is_symlink()
    for name in (".a.partial.png", ".partial-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").write_text("")
    with atomic_path(path) as beside:
        beside.write_text("more")
    assert (tmp_path / ".a.partial.png" / "kept").exists()
    assert (tmp_path / ".partial-x" / "kept").exists()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=r"folder\.png: cannot be written"), \
            atomic_path(tmp_path / "folder.png") as beside:  # fmt: skip
        beside.write_text("more")
    assert (tmp_path / "folder.png").is_dir()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_is_as_the_umask_gives_it(tmp_path, mask):
    before = os.umask(mask)
    try:
        with atomic_path(tmp_path / "a") as beside:
            beside.write_text("")
        with atomic_path(tmp_path / "folder") as beside:
            beside.mkdir()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize(
    "name", ["n" * 255, "n" * 251 + ".png", "n." + "x" * 253, "ж" * 125 + ".png"]
)
def test_names_may_be_as_long_as_the_file_system_takes(tmp_path, name):
    with atomic_path(tmp_path / name) as beside:
        beside.write_text("")
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(UserError, match="File name too long"), \
            atomic_path(tmp_path / f"{name}{'x' * 10}") as beside:  # fmt: skip
        beside.write_text("")
    assert os.listdir(tmp_path) == [name]


def test_contents_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor):
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def renamed(source, target):
        done.append("renamed")
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", flushed)
    monkeypatch.setattr(files.os, "replace", renamed)
    with atomic_path(tmp_path / "a") as beside:
        beside.write_text("")
    assert done == [str(beside), "renamed", str(tmp_path)]
    done.clear()
    with atomic_path(tmp_path / "folder") as beside:
        (beside / "inner").mkdir(parents=True)
        (beside / "inner" / "a").write_text("")
    assert set(done[:-2]) == {str(beside), str(beside / "inner"), str(beside / "inner" / "a")}
    assert done[-2:] == ["renamed", str(tmp_path)]


def test_a_folder_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"a: cannot be written \(No such file or directory"), \
            atomic_path(tmp_path / "gone" / "a") as beside:  # fmt: skip
        beside.write_text("")


@pytest.fixture
def refused(monkeypatch):
    """Makes a call of the system fail for one path."""

    def refuse(name, number, only=None):
        call = getattr(os, name)

        def fail(given, *rest):
            path = os.readlink(f"/proc/self/fd/{given}") if isinstance(given, int) else given
            if only is None or os.fspath(path) == str(only):
                raise OSError(number, os.strerror(number))
            return call(given, *rest)

        monkeypatch.setattr(files.os, name, fail)

    return refuse


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_leaves_the_file_before(tmp_path, refused, call, number):
    (tmp_path / "a").write_text("earlier")
    with pytest.raises(UserError, match=os.strerror(number)), atomic_path(tmp_path / "a") as beside:
        refused(call, number)
        beside.write_text("new")
    assert (tmp_path / "a").read_text() == "earlier" and os.listdir(tmp_path) == ["a"]


def test_a_name_that_is_not_on_the_disk_is_said(tmp_path, refused):
    """Where the folder cannot be flushed, except that the file system never does that."""
    refused("fsync", errno.EINVAL, tmp_path)
    with atomic_path(tmp_path / "a") as beside:
        beside.write_text("new")
    refused("fsync", errno.EIO, tmp_path)
    with pytest.raises(UserError, match="Input/output"), atomic_path(tmp_path / "b") as beside:
        beside.write_text("new")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_another(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: object())
    path = tmp_path / "1"
    for text in ("earlier", "new"):
        with atomic_path(path) as beside:
            beside.mkdir()
            (beside / text).write_text("")
    assert os.listdir(path) == ["new"] and os.listdir(tmp_path) == ["1"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_that_cannot_take_its_place_leaves_the_other(
    tmp_path, monkeypatch, refused, exchanges
):
    path, source = tmp_path / "1", tmp_path / "new"
    for folder in (path, source):
        folder.mkdir()
        (folder / folder.name).write_text("")

    class Failing:
        def renameat2(self, *_):
            files.ctypes.set_errno(errno.EIO)
            return -1

    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: Failing() if exchanges else object())
    refused("rename", errno.EIO, source)
    with pytest.raises(OSError, match="Input/output"):
        move(source, path)
    assert os.listdir(path) == ["1"] and sorted(os.listdir(tmp_path)) == ["1", "new"]


def test_new_folders_are_on_the_disk(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(files, "_flush_folder", flushed.append)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and flushed == [tmp_path, tmp_path / "a"]


def _write_for_ever(path):
    with atomic_path(path) as beside:
        beside.write_text("half")
        (path.parent / "ready").touch()
        signal.pause()


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    kept = [".partial-file", f".partial-{platform.node()}-link", ".partial-elsewhere-x", "a"]
    (tmp_path / kept[0]).write_text("a person's")
    (tmp_path / kept[1]).symlink_to(tmp_path)
    (tmp_path / kept[2]).mkdir()
    (tmp_path / "a").write_text("earlier")
    process = multiprocessing.get_context("fork").Process(
        target=_write_for_ever, args=(tmp_path / "a",)
    )
    process.start()
    while not (tmp_path / "ready").exists():
        assert process.is_alive()
    (tmp_path / "ready").unlink()
    remove_partial(tmp_path)
    # It is still written to.
    assert len(list(tmp_path.glob(".partial-*/n"))) == 1
    process.kill()
    process.join()
    remove_partial(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    remove_partial(tmp_path, alone=True, all_machines=True)
    assert sorted(os.listdir(tmp_path)) == sorted({*kept} - {kept[2]})
    remove_partial(tmp_path / "gone")


def test_without_locks_only_who_is_alone_removes(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", unsupported)
    with partial_folder(tmp_path) as private:
        remove_partial(tmp_path)
        assert private.exists()
        remove_partial(tmp_path, alone=True)
        assert not private.exists()


def test_only_regular_text_files_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbftext\r\n")
    assert read_text(tmp_path / "a") == "text\r\n"
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 2**24 + 1)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "large", tmp_path / "pipe", tmp_path, "/dev/zero", tmp_path / "gone"):
        with pytest.raises(OSError):
            read_text(path)


def test_leftovers_of_other_machines_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "one[1]")
    for machine in ("one[1]", "other"):
        (tmp_path / f".partial-{machine}-x").mkdir()
    remove_partial(tmp_path)
    assert os.listdir(tmp_path) == [".partial-other-x"]


def test_whether_case_counts_is_tried(tmp_path, monkeypatch):
    assert not ignores_case(tmp_path) and not list(tmp_path.iterdir())
    assert not ignores_case(tmp_path / "gone")
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    assert ignores_case(tmp_path)


def test_the_sum_of_a_folder_depends_on_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    first = sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, sha256(tmp_path)}) == 3
    third = sha256(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "b").rename(tmp_path / "folder" / "b")
    assert sha256(tmp_path) != third
