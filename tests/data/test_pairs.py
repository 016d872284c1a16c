"""Matching low/ with high/, and splitting into training and validation."""

import shutil

import pytest
from PIL import Image

from drgn_tf.data.pairs import find_pairs, read_stems, split_by_fraction, split_by_list
from drgn_tf.errors import UserError

STEMS = [f"photo_{i:03}" for i in range(200)]


# ---------------------------------------------------------------- pairs


def test_pairs_come_in_order_with_both_paths(pair_folder):
    pairs = find_pairs(pair_folder)
    assert [pair.stem for pair in pairs] == [f"view_{i}" for i in range(4)]
    assert pairs[2].low == pair_folder / "low" / "view_2.png"
    assert pairs[2].high == pair_folder / "high" / "view_2.png"


def test_formats_of_both_sides_may_differ(pair_folder):
    high = pair_folder / "high" / "view_1.png"
    Image.open(high).save(high.with_suffix(".JPG"), format="jpeg")
    high.unlink()
    pairs = find_pairs(str(pair_folder))
    assert [pair.stem for pair in pairs] == [f"view_{i}" for i in range(4)]
    assert (pairs[1].low.name, pairs[1].high.name) == ("view_1.png", "view_1.JPG")


@pytest.mark.parametrize(("there", "absent"), [("low", "high"), ("high", "low")])
def test_photo_without_counterpart_is_named(pair_folder, there, absent):
    (pair_folder / absent / "view_2.png").unlink()
    with pytest.raises(UserError, match=r"no counterpart.*add or remove it") as caught:
        find_pairs(pair_folder)
    message = str(caught.value)
    assert message.startswith(str(pair_folder / there / "view_2.png"))
    assert str(pair_folder / absent) in message


def test_photos_without_counterpart_are_collected_and_the_rest_is_kept(pair_folder):
    (pair_folder / "low" / "view_0.png").unlink()
    (pair_folder / "high" / "view_3.png").unlink()
    collected = []
    pairs = find_pairs(pair_folder, collected.append)
    assert [pair.stem for pair in pairs] == ["view_1", "view_2"]
    assert [str(error).split(":")[0] for error in collected] == [
        str(pair_folder / "high" / "view_0.png"),
        str(pair_folder / "low" / "view_3.png"),
    ]


@pytest.mark.parametrize("absent", ["low", "high"])
def test_missing_side_is_named_with_what_is_expected(pair_folder, absent):
    shutil.rmtree(pair_folder / absent)
    with pytest.raises(UserError, match=rf"has no folder {absent}/; .*low/ and high/"):
        find_pairs(pair_folder)


def test_empty_side_is_named(pair_folder):
    shutil.rmtree(pair_folder / "high")
    (pair_folder / "high").mkdir()
    with pytest.raises(UserError, match=r"high: the folder is empty"):
        find_pairs(pair_folder)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent: no such folder"):
        find_pairs(tmp_path / "absent")


def test_no_common_stem_is_an_error_even_when_photos_may_be_left_out(pair_folder):
    for path in (pair_folder / "high").iterdir():
        path.rename(path.with_name("other_" + path.name))
    collected = []
    with pytest.raises(UserError, match="no stem occurs in both"):
        find_pairs(pair_folder, collected.append)
    assert len(collected) == 8


# ---------------------------------------------------------------- lists


def test_comments_and_blank_lines_of_a_list_are_ignored(tmp_path):
    path = tmp_path / "list.txt"
    lines = ["# held out", "", " view_1 ", "view_2  # night", "   \r", "#view_3", "Photo mit Ü"]
    path.write_text("\n".join(lines), "utf-8")
    assert read_stems(path) == ["view_1", "view_2", "Photo mit Ü"]


def test_list_written_with_a_byte_order_mark_is_read(tmp_path):
    """Windows editors put one at the beginning."""
    path = tmp_path / "list.txt"
    path.write_text("view_1\r\nview_2\r\n", "utf-8-sig")
    assert read_stems(path) == ["view_1", "view_2"]


def test_missing_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.txt: cannot be read as a list"):
        read_stems(tmp_path / "absent.txt")


def test_photo_given_as_list_is_named(pair_folder):
    with pytest.raises(UserError, match=r"view_0\.png: cannot be read as a list"):
        read_stems(pair_folder / "low" / "view_0.png")


def test_listed_stems_are_held_out_in_the_given_order():
    train, held_out = split_by_list(["d", "b", "a", "c"], ["c", "d"])
    assert (train, held_out) == (["b", "a"], ["d", "c"])


def test_split_by_list_does_not_depend_on_the_order_of_the_list():
    assert split_by_list(STEMS, STEMS[40:50]) == split_by_list(STEMS, STEMS[49:39:-1])


def test_added_photo_that_is_not_listed_is_trained_on():
    train, held_out = split_by_list(STEMS, STEMS[:10])
    more_train, same = split_by_list([*STEMS, "new"], STEMS[:10])
    assert same == held_out
    assert more_train == [*train, "new"]


def test_listed_stem_that_does_not_exist_is_named():
    with pytest.raises(UserError, match=r"names 'x', which is no stem .* among the photos\.$"):
        split_by_list(["a", "b"], ["a", "x"])
    with pytest.raises(UserError, match=r"names 'x'.*nor are 2 more"):
        split_by_list(["a", "b"], ["z", "y", "a", "x"])


def test_list_of_file_names_is_told_that_stems_have_no_ending():
    with pytest.raises(UserError, match=r"'a\.png', which is no stem \(a name without its ending"):
        split_by_list(["a", "b"], ["a.png"])


@pytest.mark.parametrize(("listed", "side"), [([], "validation"), (["a", "b"], "training")])
def test_list_that_leaves_one_side_empty_is_an_error(listed, side):
    with pytest.raises(UserError, match=f"no photo for {side}"):
        split_by_list(["a", "b"], listed)


# ---------------------------------------------------------------- fractions


@pytest.mark.parametrize(
    ("count", "fraction", "held_out"), [(200, 0.05, 10), (4, 0.25, 1), (3, 0.01, 1), (9, 0.0, 1)]
)
def test_fraction_is_held_out_but_at_least_one(count, fraction, held_out):
    train, held = split_by_fraction(STEMS[:count], fraction)
    assert len(held) == held_out
    assert sorted(train + held) == STEMS[:count]


def test_names_that_are_no_utf_8_are_split_too():
    train, held_out = split_by_fraction([*STEMS[:9], "\udcff"], 0.5)
    assert "\udcff" in train + held_out


def test_each_side_keeps_the_given_order():
    train, held_out = split_by_fraction(STEMS, 0.3)
    assert train == sorted(train) and held_out == sorted(held_out)


def test_split_by_fraction_does_not_depend_on_order():
    train, held_out = split_by_fraction(STEMS, 0.1)
    other_train, other_held_out = split_by_fraction(STEMS[::-1], 0.1)
    assert set(train) == set(other_train)
    assert set(held_out) == set(other_held_out)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.7])
def test_added_photo_makes_at_most_one_other_change_sides(fraction):
    for count in range(5, 60):
        train, held_out = map(set, split_by_fraction(STEMS[:count], fraction))
        more_train, more_held_out = map(set, split_by_fraction(STEMS[: count + 1], fraction))
        assert len((train & more_held_out) | (held_out & more_train)) <= 1


def test_choice_does_not_follow_the_names():
    """The first or last photos of a folder are often of one scene."""
    _, held_out = split_by_fraction(STEMS, 0.2)
    early = sum(stem in held_out for stem in STEMS[:100])
    assert 10 <= early <= 30


@pytest.mark.parametrize(
    ("stems", "fraction", "side"),
    [(["a"], 0.05, "training"), (["a", "b"], 1.0, "training"), ([], 0.5, "training")],
)
def test_fraction_that_leaves_one_side_empty_is_an_error(stems, fraction, side):
    with pytest.raises(UserError, match=f"no photo for {side}"):
        split_by_fraction(stems, fraction)
