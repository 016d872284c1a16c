"""The common parts of the benchmark programs: flags, errors, tables and JSON."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Callable

from absl import flags

from drgn_tf.cli import program
from drgn_tf.errors import user_errors
from drgn_tf.files import atomic_path

_JSON = flags.DEFINE_string("json", "", "JSON file of the measurements; '' for none.")
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "onnxruntime")


def run(benchmark: Callable[[], None]) -> None:
    """Runs a benchmark as a program.

    Args:
      benchmark: reads its flags and prints its tables; ValueError or UserError if it cannot.
    """

    @functools.wraps(benchmark)
    def main(argv: list[str]) -> None:
        with user_errors():
            benchmark()

    program.run(main, flag_modules=(__name__,), interrupted="interrupted; nothing was saved.")


class Report:
    """Prints tables as they are added, and keeps them.

    Args:
      question: of the program, in one line.
    """

    def __init__(self, question: str):
        self._content = {
            "question": question,
            "machine": {
                "cpus": os.cpu_count(),
                "system": platform.platform(),
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in _PACKAGES},
            },
            "tables": {},
            "notes": [],
        }
        print(f"\n## {question}", flush=True)

    def table(self, title: str, rows: list[dict]) -> None:
        """Prints rows as Markdown; missing columns of a row stay empty.

        Args:
          title: above the table, and its name in the JSON.
          rows: numbers and texts by column.
        """
        self._content["tables"][title] = rows
        columns = list(dict.fromkeys(column for row in rows for column in row))
        print(f"\n{title}\n")
        print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
        for row in rows:
            print(f"| {' | '.join(_shown(row.get(column, '')) for column in columns)} |")
        print(end="", flush=True)

    def note(self, line: str) -> None:
        """Prints a note on the numbers."""
        self._content["notes"].append(line)
        print(f"\n{line}", flush=True)

    def save(self) -> None:
        """Writes the JSON, if --json is given.

        Raises:
          UserError: it cannot be written.
        """
        if not _JSON.value:
            return
        with atomic_path(pathlib.Path(_JSON.value)) as path:
            path.write_text(json.dumps(self._content, indent=2) + "\n", encoding="utf-8")


def _shown(value: object) -> str:
    """Formats a number with three digits, or with all digits before the point."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
