"""The pages of the project link to files and headings that exist."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("drgn_tf/weights/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)|<(?:img|a)\s[^>]*(?:src|href)=\"([^\"]+)\"")


def prose(text: str) -> str:
    """Without code, whose brackets are no links, and whose # begin no headings."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.M)
    return re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def links(text: str) -> list[str]:
    """The targets inside the project."""
    found = [markdown or html for markdown, html in LINK.findall(prose(text))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, spaces to hyphens, punctuation dropped."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(text), flags=re.M):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = base = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        repeats = 0
        while anchor in found:
            repeats += 1
            anchor = f"{base}-{repeats}"
        found.add(anchor)
    return found


def problems(page: pathlib.Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for target in links(page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists():
            found.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            found.append(f"{target}: no such heading")
    return found


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    assert problems(page) == []


def test_every_page_of_docs_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for target in links((ROOT / "README.md").read_text("utf-8"))}
    assert {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} <= linked


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "there.md").write_text("# One, two\n\n## One two\n\n```\n# code\n```\n", "utf-8")
    page = tmp_path / "page.md"
    good = ["there.md", "there.md#one-two", "there.md#one-two-1", "#here", "https://arxiv.org"]
    bad = ["gone.md", "there.md#three", "there.md#code", "#there"]
    text = "".join(f"[a link]({target})\n" for target in good + bad)
    page.write_text(f"# Here\n\n{text}\n`[code](gone.md)`\n\n    [code](gone.md)\n", "utf-8")
    assert [problem.partition(":")[0] for problem in problems(page)] == bad
