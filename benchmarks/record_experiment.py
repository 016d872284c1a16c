"""Records the results of a training run for the plots of docs/experiments.md.

  python -m benchmarks.record_experiment --run_dir=runs/mobile --name=mobile --group=long_runs

Reads metrics.csv, config.json and report.json of a run folder, and writes
docs/experiments/<name>.json: the validations, the training data, the options that differ from the
defaults, and the final report. It contains no path of the machine.
"""

from __future__ import annotations

import csv
import json
import pathlib

from absl import flags

from benchmarks.records import RECORDS
from benchmarks.report import run
from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path

_RUN_DIR = flags.DEFINE_string("run_dir", None, "Folder of the run.", required=True)
_NAME = flags.DEFINE_string("name", None, "Name of the record.", required=True)
_GROUP = flags.DEFINE_string("group", "", "Group of runs that are compared with each other.")
_LABEL = flags.DEFINE_string("label", "", "Label in plots. Default: the name.")


def _validations(path: pathlib.Path) -> dict[str, list[float]]:
    """Returns columns of the rows of metrics.csv that hold a validation."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["val_psnr"]]
    names = [name for name in rows[0] if name == "step" or name.startswith("val_")] if rows else []
    return {
        name.removeprefix("val_"): [float(row[name] or "nan") for row in rows] for name in names
    }


def _without_folders(value):
    if isinstance(value, dict):
        return {key: _without_folders(x) for key, x in value.items()}
    if isinstance(value, list):
        return [_without_folders(x) for x in value]
    if isinstance(value, str) and "/" in value:
        # "pairs:/some/folder:0.2" -> "pairs:folder:0.2"
        return ":".join(pathlib.PurePath(part).name or part for part in value.split(":"))
    return value


def _record() -> None:
    folder = pathlib.Path(_RUN_DIR.value)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        validations = _validations(folder / "metrics.csv")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: holds no readable run ({error}).") from error
    report = folder / "report.json"
    record = {
        "name": _NAME.value,
        "label": _LABEL.value or _NAME.value,
        "group": _GROUP.value,
        "options": _without_folders(config),
        "validations": validations,
        "report": json.loads(report.read_text(encoding="utf-8")) if report.is_file() else None,
    }
    RECORDS.mkdir(exist_ok=True)
    target = RECORDS / f"{_NAME.value}.json"
    with atomic_path(target) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {target.relative_to(pathlib.Path.cwd())}")


if __name__ == "__main__":
    run(_record)
