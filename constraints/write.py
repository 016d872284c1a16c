"""Writes what pip would install, by its report, as a constraints file; `make lock` calls it."""

from __future__ import annotations

import json
import pathlib
import sys


def main(report: str, target: str) -> None:
    """Writes name==version a line, without the project itself.

    Args:
      report: JSON of `pip install --report`.
      target: file to write.
    """
    installed = json.loads(pathlib.Path(report).read_text(encoding="utf-8"))["install"]
    found = {entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in installed}
    lines = [f"{name}=={version}" for name, version in sorted(found.items()) if name != "drgn-tf"]
    pathlib.Path(target).write_text("\n".join(["# Written by make lock.", *lines, ""]))


if __name__ == "__main__":
    main(*sys.argv[1:])
