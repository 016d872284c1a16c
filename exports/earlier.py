"""What earlier exports of the same network left in an output folder.

Several exports may go to one folder: further formats, sizes or versions. Its documents then tell of
all of them, as far as the files are those that an export verified against the same weights.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from drgn_tf.exports.machine import described_machine
from drgn_tf.exports.measurement import Measurement
from drgn_tf.exports.pipeline import Outcome, Success
from drgn_tf.exports.verification import Agreement
from drgn_tf.files import PARTIAL, read_text, sha256

# The folders in which artefacts are, in the order of the documents.
_FOLDERS = ("saved_model", "tflite", "onnx")
# What may have been otherwise when an earlier artefact was made.
_CIRCUMSTANCES = ("versions", "calibration", "verify", "machine")


def with_earlier(
    output_dir: pathlib.Path, facts: Mapping[str, Any], outcomes: Sequence[Outcome]
) -> tuple[dict[str, Any], list[Outcome]]:
    """Adds the artefacts of earlier exports to those of this one.

    Args:
      output_dir: of the export, with the report.json of the one before, if there was one.
      facts: of this export, see `reports.write_report`.
      outcomes: of this export.

    Returns:
      The facts, with "others": the artefacts in the folder that are of another network, were
      changed, or are of an export that was killed; and all outcomes. An earlier time is left out if
      it is of another machine, an earlier quality if it is of other pairs.
    """
    report = _report(output_dir)
    same_network = report.get("sha256") == facts["sha256"]
    known = {entry["path"]: entry for entry in report["artefacts"]} if same_network else {}
    made = {str(outcome.path) for outcome in outcomes if outcome.reason is None}
    quality = facts["quality"] or (report.get("quality") if same_network else None)
    same_machine = report.get("machine") == described_machine()
    found: list[Outcome] = list(outcomes)
    others = []
    for path in _artefacts(output_dir):
        if str(path) in made:
            continue
        earlier = _success(path, known.get(str(path)), report)
        if earlier is None or sha256(output_dir / path) != earlier.sha256:
            others.append(str(path))
            continue
        found.append(
            dataclasses.replace(
                earlier,
                measurement=earlier.measurement if same_machine else None,
                quality=earlier.quality if quality == report.get("quality") else None,
            )
        )
    found.sort(key=lambda outcome: _FOLDERS.index(outcome.path.parts[0]))
    return {**facts, "quality": quality, "others": others}, found


def _report(output_dir: pathlib.Path) -> dict[str, Any]:
    """Returns what report.json says; of files that are none of ours, nothing."""
    try:
        report = json.loads(read_text(output_dir / "report.json"))
        entries = report["artefacts"]
        if all(isinstance(entry["path"], str) for entry in entries):
            return dict(report)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def _artefacts(output_dir: pathlib.Path) -> list[pathlib.PurePosixPath]:
    return [
        pathlib.PurePosixPath(folder, path.name)
        for folder in _FOLDERS
        for path in sorted((output_dir / folder).glob("*"))
        if not path.name.startswith(PARTIAL)
    ]


def _success(
    path: pathlib.PurePosixPath, entry: Mapping[str, Any] | None, report: Mapping[str, Any]
) -> Success | None:
    """Returns an artefact as report.json describes it; None if it does not."""
    if entry is None or entry.get("reason") is not None:
        return None
    try:
        agreement, measurement = dict(entry["agreement"]), entry["measurement"]
        agreement["sizes"] = tuple(
            (int(height), int(width)) for height, width in agreement["sizes"]
        )
        if measurement is not None:
            measurement = {**measurement, "size": tuple(measurement["size"])}
        fields = {name: value for name, value in entry.items() if name not in ("path", "reason")}
        return Success(
            path,
            **{
                **fields,
                "agreement": Agreement(**agreement),
                "measurement": None if measurement is None else Measurement(**measurement),
                "quantisation": {
                    name: (float(scale), int(zero))
                    for name, (scale, zero) in entry["quantisation"].items()
                },
                "earlier": entry.get("earlier") or {key: report[key] for key in _CIRCUMSTANCES},
            },
        )
    # Of another version of this program, or changed by hand.
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
