"""Flags of earlier releases, so that old commands and flagfiles get a line that helps."""

from __future__ import annotations

import sys

from absl import app, flags

# What became of each.
_RENAMED = {
    "accumulate": "is now --gradient_accumulation_steps.",
    "data_service": "is gone; leave it out.",
    "final_learning_rate": "is now --final_learning_rate_ratio.",
    "keep_by": "is now --monitor.",
    "reference_dir": "is now --normal_dir.",
}


def parse_flags(argv: list[str]) -> list[str]:
    """Parses flags for `app.run(main, flags_parser=parse_flags)`; returns what is left of them.

    A flag of an earlier release ends the program with exit code 1 and the new name.
    """
    try:
        return flags.FLAGS(argv)
    except flags.UnrecognizedFlagError as error:
        if error.flagname in _RENAMED:
            sys.exit(f"error: --{error.flagname} {_RENAMED[error.flagname]}")
    except flags.Error:
        pass
    # Says what is wrong in absl's words.
    return app.parse_flags_with_usage(argv)
