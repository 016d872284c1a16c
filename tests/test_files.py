from __future__ import annotations

import pytest

from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path, sha256


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


def test_the_sum_of_a_folder_depends_on_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    first = sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = sha256(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, sha256(tmp_path)}) == 3
