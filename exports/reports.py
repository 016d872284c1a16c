"""What an export made: for whoever made it (report.md, report.png) and programs (report.json).

report.md is read in two minutes; what else is known of each artefact is in report.json.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drgn_tf.exports.machine import described_machine, instruction_set
from drgn_tf.exports.pipeline import Outcome, Success
from drgn_tf.files import atomic_path
from drgn_tf.images.grids import save_grid
from drgn_tf.inference import Driver, Enhancer

# Side of the photo in report.png in pixels, and the factor of the differences there.
_SIDE = 384
_AMPLIFIED = 32
# The keys of every artefact in report.json; a failed one has only path and reason to fill in.
_FAILED: dict[str, Any] = {
    "path": "", "precision": "", "reason": None, "bytes": 0, "sha256": "", "agreement": None,
    "operators": {}, "quantisation": {}, "gpu_fallbacks": None, "measurement": None,
    "quality": None, "notes": "", "earlier": None,
}  # fmt: skip
_RUNTIMES = {".tflite": "LiteRT", ".onnx": "ONNX Runtime", ".ort": "ONNX Runtime"}

Rows = list[list[tuple[str, np.ndarray]]]


def write_report(
    output_dir: pathlib.Path, facts: Mapping[str, Any], outcomes: Sequence[Outcome], picture: Rows
) -> None:
    """Writes report.md, report.json and report.png, each whole or not at all.

    Args:
      output_dir: of the export.
      facts: what holds for all artefacts: "name", "model", "sha256", "parameters",
        "macs_per_pixel", "versions", "calibration", "verify", "quality" of the network itself or
        None, "others" in the folder (`earlier.with_earlier`).
      outcomes: of the artefacts.
      picture: from `worst_case`.

    Raises:
      UserError: the disk is full, or does not take the files.
    """
    artefacts = [{**_FAILED, **dataclasses.asdict(o), "path": str(o.path)} for o in outcomes]
    content = {**facts, "machine": described_machine(), "artefacts": artefacts}
    with atomic_path(output_dir / "report.json") as path:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with atomic_path(output_dir / "report.md") as path:
        path.write_text(_markdown(facts, outcomes), encoding="utf-8", errors="backslashreplace")
    with atomic_path(output_dir / "report.png") as path:
        save_grid(picture, path)


def worst_case(
    reference: Driver, drivers: Mapping[str, Driver], photos: Sequence[np.ndarray]
) -> Rows:
    """Returns the images of report.png: the darkest photo, and where results differ on it.

    Args:
      reference: the network.
      drivers: one of each precision.
      photos: low-light photos, uint8 [H, W, 3].
    """
    photo = min(photos, key=np.mean)[:_SIDE, :_SIDE]
    expected = Enhancer(reference)(photo / np.float32(255))
    results = {name: Enhancer(driver)(photo / np.float32(255)) for name, driver in drivers.items()}
    errors = {name: float(np.square(result - expected).mean()) for name, result in results.items()}
    first = [(f"a dark photo (mean {photo.mean():.0f} of 255)", photo), ("the network", expected)]
    if not results:
        return [first]
    worst = max(errors, key=lambda name: errors[name])
    first.append((f"{worst}, the furthest from it", results[worst]))
    differences = [
        (
            f"{name}: difference x{_AMPLIFIED} ({_decibels(errors[name])})",
            np.clip(_AMPLIFIED * np.abs(result - expected), 0, 1),
        )
        for name, result in results.items()
    ]
    return [first, differences]


def table(outcomes: Sequence[Outcome]) -> str:
    """Returns the artefacts that were made as a Markdown table."""
    made = [outcome for outcome in outcomes if outcome.reason is None]
    timed = next((outcome.measurement for outcome in made if outcome.measurement), None)
    with_quality = any(outcome.quality for outcome in made)
    threads = f", {timed.threads} thread{'s' * (timed.threads > 1)}" if timed else ""
    header = ["file", "runtime", "precision", "MB", f"ms on {instruction_set()}{threads}",
              "dB to float", "GPU"]  # fmt: skip
    header += ["PSNR", "SSIM"] * with_quality
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for outcome in made:
        measured, psnr = outcome.measurement, outcome.agreement.psnr
        cells = [
            f"`{outcome.path}`",
            _RUNTIMES.get(outcome.path.suffix, "TensorFlow"),
            outcome.precision,
            f"{outcome.bytes / 1e6:.2f}",
            f"{measured.median:.3g} ({measured.size[1]}x{measured.size[0]})" if measured else "",
            "equal" if psnr >= 200 else f"{psnr:.0f}",
            _gpu(outcome),
        ]
        if with_quality:
            quality = outcome.quality
            cells += [f"{quality['psnr']:.2f}", f"{quality['ssim']:.4f}"] if quality else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def columns(facts: Mapping[str, Any]) -> str:
    """Returns what the columns of `table` mean."""
    text = (
        "dB to float: PSNR to the network in float32, of the photo where it is lowest. GPU: how "
        "many of the operators a mobile GPU would run; it needs a fixed size. Times: medians, "
        f"measured on {described_machine()}."
    )
    if quality := facts.get("quality"):
        text += (
            f" PSNR and SSIM: means over {quality['photos']} pairs of `{quality['folder']}`, 8-bit "
            "results, RGB, not scaled to the reference's brightness; the network itself has "
            f"{quality['psnr']:.2f} dB and {quality['ssim']:.4f}."
        )
    return text


def failures(outcomes: Sequence[Outcome]) -> str:
    """Returns what failed and why, as one paragraph."""
    failed = [f"`{o.path}`: {o.reason}" for o in outcomes if o.reason is not None]
    if not failed:
        return f"Nothing failed: all {len(outcomes)} artefacts agree with the network."
    return f"{len(failed)} of {len(outcomes)} failed, and were discarded. " + " ".join(failed)


def others(facts: Mapping[str, Any]) -> str:
    """Returns what is said of artefacts that lie beside these, after a blank line; else ""."""
    if not facts["others"]:
        return ""
    paths = ", ".join(f"`{path}`" for path in facts["others"])
    return (
        "\n\nAlso here, but of another network, changed, or of an export that did not finish: "
        f"{paths}."
    )


def _gpu(outcome: Success) -> str:
    if outcome.gpu_fallbacks is None:
        return ""
    total = sum(outcome.operators.values())
    return f"{total - len(outcome.gpu_fallbacks)} of {total}"


def _decibels(error: float) -> str:
    return "equal" if error < 1e-20 else f"{-10 * np.log10(error):.0f} dB"


def _markdown(facts: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    return f"""# Exports of {facts["name"]}

From `{facts["model"]}` (SHA-256 `{facts["sha256"]}`), {facts["parameters"]:,} parameters,
{facts["macs_per_pixel"]:,.0f} multiply-accumulates per pixel.

{table(outcomes)}

{columns(facts)}

![a dark photo, the network's result and the furthest from it; differences](report.png)

{failures(outcomes)}{others(facts)}

What each was compared on, its operators, scales, memory and SHA-256 are in report.json.
"""
