"""The folder of the records of training runs, for docs/experiments.md."""

import pathlib

RECORDS = pathlib.Path(__file__).parents[1] / "docs" / "experiments"
