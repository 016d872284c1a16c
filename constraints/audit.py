"""Reports known vulnerabilities of locked versions; `make audit` calls it.

    python constraints/audit.py constraints/python-3.11.txt

Exit code 0: none is known; 1: some are; 2: not all versions could be looked up, which says nothing
about them.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence

# Databases of pip-audit: its default, and the one to ask where that does not answer.
_SERVICES: tuple[list[str], ...] = ([], ["--vulnerability-service=osv"])


def main(arguments: Sequence[str]) -> int:
    """Looks up the versions in a file and prints what is known; returns the exit code."""
    (locked,) = arguments
    for service in _SERVICES:
        packages = _looked_up(locked, service)
        # A database that cannot be asked knows no package.
        known = [package for package in packages if "vulns" in package]
        if known:
            return _report(packages, known)
    print(
        f"{locked}: not audited, no database of vulnerabilities can be reached from here; run "
        "this where one can.",
        file=sys.stderr,
    )
    return 2


def _looked_up(locked: str, service: list[str]) -> list[dict]:
    command = pathlib.Path(sys.executable).with_name("pip-audit")
    process = subprocess.run(
        [command, "--disable-pip", "--format=json", f"--requirement={locked}", *service],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return json.loads(process.stdout)["dependencies"]
    except ValueError:
        return []


def _report(packages: list[dict], known: list[dict]) -> int:
    found = 0
    for package in known:
        for vulnerability in package["vulns"]:
            found += 1
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            print(
                f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}"
            )
    unknown = [package["name"] for package in packages if "vulns" not in package]
    if unknown:
        print(f"not found in the database: {', '.join(unknown)}", file=sys.stderr)
    print(f"{len(known)} of {len(packages)} packages audited: {found} known vulnerabilities")
    return 1 if found else 2 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
