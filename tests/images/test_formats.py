"""docs/formats.md says what formats there are, and the code does what it says."""

from __future__ import annotations

import pathlib

import pytest

from drgn_tf.images.formats import FORMATS

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "formats.md"
KEYWORDS = {"exif": "EXIF", "icc_profile": "ICC", "xmp": "XMP"}
# What is only read passes on what its results can keep; RAW has no profile, and XMP of other
# programs would have them develop the result once more.
READ_ONLY = {"HEIC": "EXIF, ICC, XMP", "RAW": "EXIF"}


def rows() -> dict[str, list[str]]:
    """Format -> its cells, of the first table."""
    table = PAGE.read_text("utf-8").partition("| format |")[2].partition("\n\n")[0]
    lines = table.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: rest for name, *rest in cells[2:]}


def test_the_table_lists_all_formats():
    assert list(rows()) == [entry.name for entry in FORMATS]


@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_the_table_says_what_the_code_does(entry):
    endings, reading, writing, _, written_bits, alpha, kept, needs = rows()[entry.name]
    assert endings.split() == list(entry.suffixes) and reading == "yes"
    if entry.encode is None:
        assert writing == f"as {entry.written_as}"
        assert (written_bits, alpha, kept) == ("", "", READ_ONLY[entry.name])
        assert f"drgn-tf[{entry.name.lower()}]" in needs
        return
    assert writing == "yes" and not entry.written_as
    assert written_bits == ("8, 16" if entry.deep else "8")
    assert alpha == ("yes" if entry.alpha else "no")
    names = [KEYWORDS[keyword] for keyword in KEYWORDS if keyword in entry.metadata]
    assert kept == (", ".join(names) or "nothing")
