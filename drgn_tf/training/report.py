"""What a finished run is worth: report.json, and the same as a table for people."""

from __future__ import annotations

from typing import Any

from drgn_tf.data import RunData
from drgn_tf.models import DRGN, load_model, macs_per_pixel
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.validation import Validator


def write_report(
    folder: RunFolder,
    data: RunData,
    validator: Validator,
    model: DRGN,
    step: int,
    best_step: int | None,
) -> dict[str, Any]:
    """Measures the saved networks and writes report.json.

    Args:
      folder: of the run.
      data: photos.
      validator: runs `model`.
      model: takes the weights of the saved networks.
      step: steps done.
      best_step: of best.keras.

    Returns:
      The report.

    Raises:
      ModelFileError: a saved network cannot be opened.
    """
    report: dict[str, Any] = {
        "steps": step,
        "best_step": best_step,
        "parameters": model.count_params(),
        "macs_per_pixel": round(macs_per_pixel(model)),
        "protocol": "8-bit results, whole photos, RGB, not scaled to the reference brightness",
    }
    for name in ("best", "last"):
        if name == "last" and best_step == step:
            # The same weights.
            report["last"] = report["best"]
            continue
        model.set_weights(load_model(folder.file(f"{name}.keras")).get_weights())
        measured = validator(data.validation, sets=data.extra_validation)
        report[name] = {"validation": measured.to_dict()}
        if data.test is not None:
            report[name]["test"] = validator(data.test).to_dict()
    folder.write_json("report.json", report)
    return report


def report_table(report: dict[str, Any], folder: RunFolder) -> str:
    """Returns the metrics of report.json as a table, and where the results are."""
    lines = [
        f"\n{report['parameters']:,} parameters, {report['macs_per_pixel']:,} MAC per pixel",
        f"{'':34}PSNR dB    SSIM",
    ]
    for photos in ("validation", "test"):
        if photos not in report["best"]:
            continue
        best, last = report["best"][photos], report["last"][photos]
        rows = [
            ("untouched input", best["input_psnr"], best["input_ssim"]),
            (f"best.keras (step {report['best_step']})", best["psnr"], best["ssim"]),
            (f"last.keras (step {report['steps']})", last["psnr"], last["ssim"]),
        ]
        lines += [f"{photos + ': ' + name:34}{psnr:7.2f}  {ssim:6.4f}" for name, psnr, ssim in rows]
    lines.append(f"weights: {folder.file('best.keras')}")
    lines.append(f"picture: {folder.file('samples.png')}")
    return "\n".join(lines)
