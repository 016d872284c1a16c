"""How much memory this process may still take."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

# Version of control groups -> folder, limit, usage, and what of it can be given up at once.
_CONTROL_GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def available(root: pathlib.Path = pathlib.Path("/")) -> int | None:
    """Returns the bytes that this process may still take, or None where nothing tells.

    The least of what the machine has and what each control group leaves (containers, jobs of
    Slurm). Memory that only caches files counts as free.

    Args:
      root: of the file system, for tests.
    """
    free = [*_control_group_memory(root)]
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free.append(int(line.split()[1]) * 1024)
    return max(0, min(free)) if free else None


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _control_group_memory(root: pathlib.Path) -> Iterator[int]:
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in _CONTROL_GROUPS:
            continue
        mount, limit_name, usage_name, cache_name = _CONTROL_GROUPS[controllers]
        top = root / mount
        # Groups lie in each other, and each may have a limit. In a container the path may be
        # one that only exists outside.
        group = top / path.strip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            limit, usage = _read(folder / limit_name).strip(), _read(folder / usage_name)
            if limit.isdecimal() and usage:
                statistics = dict(
                    entry.split() for entry in _read(folder / "memory.stat").splitlines()
                )
                yield int(limit) - int(usage) + int(statistics.get(cache_name, 0))
