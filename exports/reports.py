"""What an export made, for people (report.md, report.png) and programs (report.json)."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import platform
from collections.abc import Mapping, Sequence

import numpy as np

from drgn_tf.exports.pipeline import Outcome
from drgn_tf.exports.verification import Agreement
from drgn_tf.files import atomic_path
from drgn_tf.images.grids import save_grid

# Of report.png.
_COLUMNS = 4


def write_report(
    output_dir: pathlib.Path,
    facts: Mapping,
    outcomes: Sequence[Outcome],
    pictures: Mapping[str, np.ndarray],
) -> None:
    """Writes report.md, report.json and report.png, each whole or not at all.

    Args:
      output_dir: of the export.
      facts: what holds for all artefacts: "name", "model", "sha256", "parameters",
        "macs_per_pixel", "versions", "calibration", "quality" of the network itself or None.
      outcomes: of the artefacts.
      pictures: uint8 [H, W, 3] by title: the same photo through each artefact.

    Raises:
      UserError: the disk is full, or does not take the files.
    """
    content = {**facts, "machine": machine(), "artefacts": [_to_json(o) for o in outcomes]}
    with atomic_path(output_dir / "report.json") as path:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with atomic_path(output_dir / "report.md") as path:
        path.write_text(_markdown(facts, outcomes), encoding="utf-8")
    with atomic_path(output_dir / "report.png") as path:
        titled = list(pictures.items())
        rows = [titled[i : i + _COLUMNS] for i in range(0, len(titled), _COLUMNS)]
        save_grid(rows, path, font_size=11)


def machine() -> str:
    """Returns what time and memory were measured on."""
    model = platform.processor() or platform.machine()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {platform.system()}"


def _to_json(outcome: Outcome) -> dict:
    content = dataclasses.asdict(outcome)
    return {**content, "path": str(outcome.path)}


def table(outcomes: Sequence[Outcome]) -> str:
    """Returns the artefacts as a Markdown table; failed ones with their reason below it."""
    with_quality = any(outcome.quality for outcome in outcomes)
    header = ["artefact", "MB", "largest error", "PSNR to the network", "ms", "MB in use",
              "GPU"]  # fmt: skip
    header += ["PSNR", "SSIM"] * with_quality
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for outcome in outcomes:
        if outcome.reason:
            continue
        agreement, timed = outcome.agreement, outcome.measurement
        cells = [
            f"`{outcome.path}`",
            f"{outcome.bytes / 1e6:.2f}",
            f"{agreement.max_error:.1e}",
            "equal" if agreement.psnr >= 200 else f"{agreement.psnr:.1f} dB",
            f"{timed.median:.0f} ({timed.size[1]}x{timed.size[0]})" if timed else "",
            f"{timed.memory:.0f}" if timed else "",
            _gpu(outcome),
        ]
        if with_quality:
            quality = outcome.quality
            cells += [f"{quality['psnr']:.2f}", f"{quality['ssim']:.4f}"] if quality else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    failed = [f"- **{o.path}** is not handed over: {o.reason}" for o in outcomes if o.reason]
    return "\n".join([*lines, *([""] if failed else []), *failed])


def _gpu(outcome: Outcome) -> str:
    if outcome.gpu_fallbacks is None:
        return ""
    return "no" if outcome.gpu_fallbacks else "yes"


def _markdown(facts: Mapping, outcomes: Sequence[Outcome]) -> str:
    timed = next((o.measurement for o in outcomes if o.measurement), None)
    lines = [
        f"# Exports of {facts['name']}",
        "",
        f"From `{facts['model']}` (SHA-256 `{facts['sha256']}`): {facts['parameters']:,} "
        f"parameters, {facts['macs_per_pixel']:,.0f} multiply-accumulates per pixel.",
        "",
        table(outcomes),
        "",
        "Largest error: of any value in [0, 1], against the Keras model, over all photos and "
        "sizes tried. PSNR to the network: of the photo where it is lowest. GPU: whether a mobile "
        "GPU would take every operator.",
    ]
    if timed:
        lines += [
            "",
            f"Times: median over up to 20 runs after 2 of warm-up, {timed.threads} threads, on "
            f"{machine()}. MB in use: most memory of the process, less that before the artefact "
            "was opened.",
        ]
    if facts.get("quality"):
        quality = facts["quality"]
        lines += [
            "",
            f"PSNR and SSIM: mean over {quality['photos']} pairs of `{quality['folder']}`, 8-bit "
            "results, RGB, not scaled to the reference's brightness. The network itself: "
            f"{quality['psnr']:.2f} dB, {quality['ssim']:.4f}.",
        ]
    lines += ["", f"Calibration: {facts['calibration']}.", ""]
    for outcome in outcomes:
        if not outcome.reason:
            lines += _details(outcome)
    lines += [f"Made with {', '.join(f'{k} {v}' for k, v in facts['versions'].items())}."]
    return "\n".join(lines) + "\n"


def _details(outcome: Outcome) -> list[str]:
    agreement, timed = outcome.agreement, outcome.measurement
    sizes = ", ".join(f"{width}x{height}" for height, width in agreement.sizes)
    lines = [
        f"## {outcome.path.name}",
        "",
        f"- SHA-256 `{outcome.sha256}`, {outcome.bytes:,} bytes",
        f"- compared on {agreement.photos} photos ({sizes}){_told(agreement)}: largest error "
        f"{agreement.max_error:.2e}, mean {agreement.mean_error:.2e}, at least "
        f"{agreement.psnr:.1f} dB; values from "
        f"{agreement.minimum:.4f} to {agreement.maximum:.4f}",
    ]
    if timed:
        lines.append(
            f"- {timed.size[1]}x{timed.size[0]}: median {timed.median:.1f} ms, p90 "
            f"{timed.p90:.1f} ms over {timed.runs} runs, {timed.threads} threads; "
            f"{timed.memory:.0f} MB"
        )
    if outcome.operators:
        counted = ", ".join(f"{name} {count}" for name, count in sorted(outcome.operators.items()))
        lines.append(f"- operators: {counted}")
    for name, (scale, zero_point) in outcome.quantisation.items():
        lines.append(f"- `{name}`: scale {scale:.6g} (1/{1 / scale:.1f}), zero point {zero_point}")
    if outcome.gpu_fallbacks is not None:
        lines.append("- on a mobile GPU: " + (_fallbacks(outcome.gpu_fallbacks)))
    if outcome.notes:
        lines += ["", "```", outcome.notes.strip(), "```"]
    return [*lines, ""]


def _told(agreement: Agreement) -> str:
    if agreement.brightness_error is None:
        return ""
    return (
        f", each as bright as proposed, a stop darker and a stop brighter (the brightness aimed at "
        f"differs by {agreement.brightness_error:.1e})"
    )


def _fallbacks(fallbacks: Sequence[str]) -> str:
    if not fallbacks:
        return "every operator"
    shown = "; ".join(fallbacks[:8]) + ("; ..." if len(fallbacks) > 8 else "")
    return f"{len(fallbacks)} operators would fall back to the CPU: {shown}"
