"""What is said of locked versions: known, unknown, or that nothing could be asked."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
_SAFE = {"name": "a", "version": "1", "vulns": []}
_BAD = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
_SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    "packages, code, said",
    [
        ([_SAFE], 0, "1 of 1 packages audited: 0 known vulnerabilities"),
        ([_SAFE, _BAD], 1, "b 2: X-1, fixed in 3\n2 of 2 packages audited: 1 known"),
        ([_SAFE, _SKIPPED], 2, "1 of 2 packages audited: 0 known vulnerabilities"),
        ([_SKIPPED, _SKIPPED], 2, "not audited, no database of vulnerabilities can be reached"),
        (None, 2, "not audited, no database of vulnerabilities can be reached"),
    ],
)
def test_what_was_not_looked_up_does_not_count_as_safe(tmp_path, packages, code, said):
    answer = "no answer" if packages is None else json.dumps({"dependencies": packages})
    (tmp_path / "python").symlink_to(sys.executable)
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\necho '{answer}'\n")
    tool.chmod(0o755)
    process = subprocess.run(
        [tmp_path / "python", ROOT / "constraints" / "audit.py", "locked.txt"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == code and said in process.stdout, process.stdout


def test_all_that_is_installed_is_locked_with_hashes():
    files = sorted((ROOT / "constraints").glob("python-*.txt"))
    assert [file.stem for file in files] == ["python-3.11", "python-3.12", "python-3.13"]
    for file in files:
        entries = file.read_text().replace("\\\n", "").splitlines()
        assert len(entries) > 50
        for entry in entries:
            assert re.fullmatch(r"[\w.-]+==[\w.]+( +; .*)?( +--hash=sha256:[0-9a-f]{64})+ *", entry)
