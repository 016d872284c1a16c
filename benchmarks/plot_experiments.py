"""Draws the plots of docs/experiments.md from the records beside it.

  python -m benchmarks.plot_experiments

Records are docs/experiments/*.json, made by `benchmarks.record_experiment`, and the results of
version 0.1 in a folder of their own; plots go to docs/pictures/. Peers are drawn from published
figures, cited below.
"""

from __future__ import annotations

import json
import pathlib

import matplotlib
from absl import flags

matplotlib.use("Agg")
from matplotlib import pyplot

from benchmarks.records import RECORDS
from benchmarks.report import run
from drgn_tf.errors import UserError

_PICTURES = pathlib.Path(__file__).parents[1] / "docs" / "pictures"
_OUTPUT_DIR = flags.DEFINE_string("output_dir", str(_PICTURES), "Folder of the plots.")

# Name, thousands of multiply-accumulates per pixel, PSNR on LOL-v1's eval15 in dB, not scaled to
# the reference's brightness. From Table 1 of Cai et al., "Retinexformer", ICCV 2023 (its FLOPS at
# 256x256 count multiply-accumulates); LYT-Net (Brateanu et al., 2024) as measured with its
# published weights by this project's evaluator.
PEERS = (
    ("RetinexNet", 8964.0, 16.77),
    ("KinD", 534.0, 20.86),
    ("Restormer", 2201.0, 22.43),
    ("MIRNet", 11978.0, 24.14),
    ("SNR-Net", 402.0, 24.61),
    ("Retinexformer", 237.6, 25.16),
    ("LYT-Net", 29.0, 24.13),
)
# The run, and which of its checkpoints, that is shipped under a name.
SHIPPED = {"mobile": ("mobile_stage3", "last"), "base": ("base", "best")}


def _records() -> list[dict]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob("*.json"))]


def _save(figure, name: str) -> None:
    path = pathlib.Path(_OUTPUT_DIR.value) / f"{name}.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    print(f"wrote {path}")


def _learning_curves(records: list[dict]) -> None:
    """PSNR and SSIM on held-out photos over steps, automatic and given, by set."""
    names = ("", *sorted({set_name for r in records for set_name in _sets(r)}))
    figure, axes = pyplot.subplots(
        2, len(names), figsize=(4.2 * len(names), 6.4), squeeze=False, layout="constrained"
    )
    for column, name in enumerate(names):
        prefix = f"{name}_" if name else ""
        for row, (measure, unit) in enumerate((("psnr", "PSNR in dB"), ("ssim", "SSIM"))):
            axis = axes[row, column]
            for index, record in enumerate(records):
                values = record["validations"]
                if f"{prefix}{measure}" not in values:
                    continue
                colour = f"C{index}"
                axis.plot(values["step"], values[f"{prefix}{measure}"], colour, ls="--")
                axis.plot(
                    values["step"],
                    values[f"{prefix}{measure}_given"],
                    colour,
                    label=record["label"],
                )
            axis.set(xlabel="step", ylabel=unit, title=name or "held-out scenes of LOL-v1")
            axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.suptitle("solid: the brightness of the reference is given; dashed: automatic")
    _save(figure, "learning_curves")


def _sets(record: dict) -> list[str]:
    """Names of the further sets of held-out pairs in a record."""
    suffix = "_psnr_given"
    names = [x.removesuffix(suffix) for x in record["validations"] if x.endswith(suffix)]
    # For a photo that is its own reference the given brightness is not meaningful.
    return [x for x in names if record["validations"][f"{x}_input_psnr"][0] < 99]


def _quality_over_cost(records: dict[str, dict]) -> None:
    """PSNR on eval15 over multiply-accumulates per pixel of the shipped networks, with peers."""
    figure, axis = pyplot.subplots(figsize=(7.2, 4.6), layout="constrained")
    for name, cost, psnr in PEERS:
        axis.plot(cost, psnr, "o", color="0.6")
        axis.annotate(name, (cost, psnr), xytext=(4, 4), textcoords="offset points", color="0.4")
    for index, (name, (run_name, checkpoint)) in enumerate(SHIPPED.items()):
        report = records[run_name]["report"]
        test = report[checkpoint]["test"]
        cost = report["macs_per_pixel"] / 1e3
        colour = f"C{index}"
        axis.plot([cost] * 2, [test["psnr"], test["psnr_given"]], colour, lw=1)
        axis.plot(cost, test["psnr"], "s", color=colour)
        axis.plot(cost, test["psnr_given"], "^", color=colour)
        axis.annotate(name, (cost, test["psnr"]), xytext=(6, -4), textcoords="offset points")
    axis.set(
        xscale="log",
        xlim=(None, 4e4),
        xlabel="thousands of multiply-accumulates per pixel",
        ylabel="PSNR in dB",
        title="LOL-v1 eval15. Squares: automatic. Triangles: the brightness is given",
    )
    axis.grid(alpha=0.3)
    _save(figure, "quality_over_cost")


def _bars(records: list[dict], name: str, title: str) -> None:
    """SSIM with given brightness of each set, one bar per run; seeds of one label side by side."""
    labels = list(dict.fromkeys(record["label"] for record in records))
    sets = ("", *sorted({set_name for r in records for set_name in _sets(r)}))
    figure, axes = pyplot.subplots(
        1, 2 * len(sets), figsize=(3.4 * 2 * len(sets), 0.5 * len(records) + 1.4), sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    panels = [(s, m) for s in sets for m in ("psnr_given", "ssim_given")]
    for axis, (set_name, measure) in zip(axes[0], panels, strict=True):
        key = f"{set_name}_{measure}" if set_name else measure
        values = []
        for record in records:
            value = record["validations"].get(key, [float("nan")])[-1]
            values.append(value)
            axis.plot(value, labels.index(record["label"]), "o", color="C0", alpha=0.7)
        axis.set(title=f"{set_name or 'LOL-v1 scenes'}\n{measure.replace('_', ', ')}")
        axis.set_yticks(range(len(labels)), labels)
        axis.grid(alpha=0.3)
    figure.suptitle(title)
    _save(figure, name)


def _earlier_curves(runs: list[dict]) -> None:
    """PSNR and SSIM on held-out scenes over steps, of the networks of version 0.1."""
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name, unit in zip(axes, ("psnr", "ssim"), ("PSNR in dB", "SSIM"), strict=True):
        for run_ in runs:
            axis.plot(run_["step"], run_[name], "o-", ms=3, label=run_["label"])
        axis.set(xlabel="step", ylabel=unit)
        axis.grid(alpha=0.3)
    axes[1].legend(fontsize=8)
    figure.suptitle("Held-out scenes of LOL-v1, brightness guessed by the network")
    _save(figure, "earlier_curves")


def _earlier_ablations(groups: dict[str, list[dict]]) -> None:
    """One point per seed for each setting, on held-out scenes and on eval15."""
    counts = [len(settings) for settings in groups.values()]
    figure, axes = pyplot.subplots(
        len(groups), 4, figsize=(12, 0.34 * sum(counts) + 1.6), sharey="row", sharex="col",
        height_ratios=counts, squeeze=False, layout="constrained",
    )  # fmt: skip
    panels = [(of, i) for of in ("validation", "eval15") for i in range(2)]
    for row, (title, settings) in zip(axes, groups.items(), strict=True):
        for axis, (of, index) in zip(row, panels, strict=True):
            for place, setting in enumerate(settings):
                for seed, values in enumerate(setting[of]):
                    axis.plot(values[index], place, "os"[seed], color=f"C{seed}", alpha=0.8)
            axis.set_yticks(range(len(settings)), [x["label"] for x in settings])
            axis.grid(alpha=0.3)
        row[0].invert_yaxis()
        row[0].set_ylabel(title)
    for axis, (of, index) in zip(axes[0], panels, strict=True):
        axis.set_title(
            f"{'held-out scenes' if of == 'validation' else of}, {('PSNR', 'SSIM')[index]}"
        )
    figure.suptitle("circles: seed 1; squares: seed 2")
    _save(figure, "earlier_ablations")


def _plot() -> None:
    earlier = RECORDS / "version_0.1"
    for name, draw in (("curves", _earlier_curves), ("ablations", _earlier_ablations)):
        draw(json.loads((earlier / f"{name}.json").read_text(encoding="utf-8")))
    by_group: dict[str, list[dict]] = {}
    for record in _records():
        by_group.setdefault(record["group"], []).append(record)
    if not by_group:
        raise UserError(f"{RECORDS}: holds no records; make some by benchmarks.record_experiment.")
    long_runs = by_group.get("long_runs", [])
    if long_runs:
        _learning_curves(long_runs)
    records = {record["name"]: record for record in _records()}
    _quality_over_cost(records)
    for group, title in (
        ("claims", "Effect of the parts of the method: one point per seed"),
        ("sources", "Effect of each source of photos: one point per seed"),
    ):
        if by_group.get(group):
            _bars(by_group[group], group, title)


if __name__ == "__main__":
    run(_plot)
