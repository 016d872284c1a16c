"""What times are measured on."""

from __future__ import annotations

import pathlib
import platform

# The first of these that a processor has, as Linux calls it.
_INSTRUCTIONS = {
    "avx512_vnni": "AVX-512 VNNI",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX-VNNI",
    "avx2": "AVX2",
    "i8mm": "NEON i8mm",
    "asimddp": "NEON dot product",
    "asimd": "NEON",
}


def instruction_set() -> str:
    """Returns the vector instructions of this machine, such as "AVX2", on which times depend."""
    flags = set(f"{_cpu('flags')} {_cpu('Features')}".split())
    found = [name for flag, name in _INSTRUCTIONS.items() if flag in flags]
    return found[0] if found else platform.machine()


def described_machine() -> str:
    """Returns processor, instructions and system."""
    model = _cpu("model name") or platform.processor() or platform.machine()
    return f"{model}, {instruction_set()}, {platform.system()}"


def _cpu(key: str) -> str:
    """Returns a value of /proc/cpuinfo, of the first core; empty where there is none."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return ""
