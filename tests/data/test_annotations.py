"""Boxes that people wrote: what is wrong with one is said with its place."""

from __future__ import annotations

import json

import pytest

from drgn_tf.data.annotations import read_annotations
from drgn_tf.errors import UserError


@pytest.fixture
def photos(tmp_path):
    """A folder with one photo, by name."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"not read")
    return tmp_path / "photos"


def coco(path, box=(1, 2, 3, 4), **changes) -> None:
    """Writes a COCO file of two boxes, the second as given."""
    good = {"image_id": 5, "category_id": 9, "bbox": [1, 2, 3.5, 4]}
    content = {
        "images": [{"id": 5, "file_name": changes.pop("file_name", "a.jpg")}],
        "categories": [{"id": 9, "name": "cat"}],
        "annotations": [good, {**good, "bbox": box, **changes}],
    }
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "box",
    [["1", "2", "3", "4"], [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 3, float("nan")], "1234", None, 7,
     [1, 2, float("inf"), 4], [1, 2, -3, 4], [1, 2, 3, -4], [1, 2, None, 4], [1, 2, True, 4],
     [1, 2, 10**400, 4], {"left": 1}],
)  # fmt: skip
def test_values_of_coco_that_are_no_numbers_are_named(tmp_path, photos, box):
    coco(tmp_path / "boxes.json", box)
    with pytest.raises(UserError, match=r"boxes\.json: annotation 2 cannot be used .*") as caught:
        read_annotations(tmp_path / "boxes.json", photos)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "change", [{"image_id": 6}, {"category_id": "cat"}, {"iscrowd": 2}, {"image_id": [5]}]
)
def test_other_values_of_coco_are_named_too(tmp_path, photos, change):
    coco(tmp_path / "boxes.json", **change)
    with pytest.raises(UserError, match=r"boxes\.json: annotation 2 cannot be used"):
        read_annotations(tmp_path / "boxes.json", photos)


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "sub/../../a.jpg", 5, None])
def test_photos_lie_in_their_folder(tmp_path, photos, name):
    coco(tmp_path / "boxes.json", file_name=name)
    with pytest.raises(UserError, match=r"lies outside|is no text"):
        read_annotations(tmp_path / "boxes.json", photos)


def test_deep_nesting_is_one_line(tmp_path, photos):
    (tmp_path / "boxes.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="is no COCO annotation file"):
        read_annotations(tmp_path / "boxes.json", photos)


@pytest.mark.parametrize("line", ["Cat 1 2 x 4", "Cat 1 2 nan 4", "Cat 1 2 3", "Cat 1 2 -3 4",
                                  "Cat 1 2 inf 4", "Cat"])  # fmt: skip
def test_values_of_exdark_that_are_no_numbers_are_named(tmp_path, photos, line):
    (tmp_path / "boxes").mkdir()
    path = tmp_path / "boxes" / "a.jpg.txt"
    path.write_text(f"% bbGt version=3\nCat 1 2 3 4 0 0 0 0 0 0 0\n{line}\n")
    with pytest.raises(UserError, match=r"a\.jpg\.txt: line 3 is no annotation of ExDark"):
        read_annotations(tmp_path / "boxes", photos)
