"""Where records of training runs are kept, for docs/experiments.md."""

import pathlib

RECORDS = pathlib.Path(__file__).parents[1] / "docs" / "experiments"
