"""Folders with files of any name."""

from __future__ import annotations

import os
import pathlib
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from drgn_tf.data.pairs import find_pairs
from drgn_tf.errors import UserError
from drgn_tf.images.photos import list_photos
from drgn_tf.inference.plan import plan_jobs

_STEMS = st.one_of(
    st.sampled_from(["a", "b", ".a", "a.b", "a_compare", "low", "high", "-a", "a b", "ä", "a\n",
                     "*", "[a]", "out"]),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1,
            max_size=4),
)  # fmt: skip
_NAMES = st.builds(
    "{}{}".format, _STEMS, st.sampled_from(["", ".jpg", ".PNG", ".webp", ".mp4", ".txt"])
)
_FOLDERS = st.sampled_from(["", "low", "high", "sub", "sub/low", "a.jpg", ".hidden"])
_KINDS = st.sampled_from(["file", "file", "file", "folder", "link", "broken"])
_TREES = st.lists(st.tuples(_FOLDERS, _NAMES, _KINDS), max_size=10)


def _make(root: pathlib.Path, tree: list[tuple[str, str, str]]) -> None:
    for folder, name, kind in tree:
        path = root / folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "folder":
                path.mkdir()
            elif kind == "file":
                path.touch(exist_ok=False)
            else:
                path.symlink_to(root if kind == "link" else root / "nowhere")
        except OSError:
            # Another entry of the tree is there.
            continue


def _checked(function, *arguments):
    try:
        return function(*arguments)
    except UserError as error:
        assert str(error).startswith(str(arguments[0]))
        return None


@settings(max_examples=60)
@given(_TREES)
def test_folders_of_any_files_are_listed_or_refused(tree):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        _make(root, tree)
        photos = _checked(list_photos, root)
        for stem, path in (photos or {}).items():
            assert path.parent == root and path.stem == stem and not stem.startswith(".")
        for pair in _checked(find_pairs, root) or ():
            assert pair.low.stem == pair.high.stem == pair.stem
            assert (pair.low.parent, pair.high.parent) == (root / "low", root / "high")


@settings(max_examples=60)
@given(
    _TREES,
    st.lists(st.one_of(_NAMES, _FOLDERS, st.sampled_from([".", "*", "**/*.jpg"])), min_size=1,
             max_size=3),
    st.sampled_from(["out", ".", "sub", "low"]),
    st.sampled_from([None, ".png"]),
    st.booleans(),
)  # fmt: skip
def test_no_plan_writes_over_an_input_or_twice(tree, inputs, output, ending, comparisons):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(os.path.realpath(name))
        _make(root, tree)
        output_dir = root / output
        try:
            output_dir.mkdir(exist_ok=True)
        except OSError:
            return
        before = sorted(root.rglob("*"))
        plan = plan_jobs([str(root / one) for one in inputs], output_dir, ending, comparisons)
        assert sorted(root.rglob("*")) == before
        if plan.conflicts:
            return
        written = [path for job in plan.jobs for path in (job.target, job.comparison) if path]
        assert len(set(written)) == len(written)
        top = pathlib.Path(os.path.realpath(output_dir))
        sources = {os.path.realpath(job.source) for job in plan.jobs}
        for path in written:
            assert top in path.parents and ".." not in path.parts
            assert not os.path.lexists(path) and os.path.realpath(path) not in sources
