"""The report of a run, for people."""

from __future__ import annotations

from drgn_tf.training.run_folder import RunFolder


def report_table(report: dict, folder: RunFolder) -> str:
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
