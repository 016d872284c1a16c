"""What a run tells while it goes: a progress bar, metrics.csv and TensorBoard."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tqdm

from drgn_tf.files import written_beside
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.validation import Validation

_VALIDATION_FIELDS = ("psnr", "ssim", "input_psnr", "input_ssim", "degradation_spread",
                      "base_contrast", "enhanced_contrast")  # fmt: skip


class RunLogs:
    """The logs of one run; continued where an earlier one stopped.

    Args:
      folder: of the run.
      terms: names of the scalars each training step may report.
      step: steps done; later lines, of a run that died after them, are dropped.
      steps: of the whole run.
      batch_size: for images per second.
    """

    def __init__(self, folder: RunFolder, terms: list[str], step: int, steps: int, batch_size: int):
        self._batch_size = batch_size
        fields = ["step", "seconds", "images_per_second", "learning_rate", *terms]
        fields += [f"val_{name}" for name in _VALIDATION_FIELDS]
        path = folder.file("metrics.csv")
        self._drop_lines_after(step, path, fields)
        self._file = path.open("a", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._file, fields, restval="")
        self._writer = tf.summary.create_file_writer(str(folder.file("tensorboard")))
        self._bar = tqdm.tqdm(
            total=steps, initial=step, unit="step", dynamic_ncols=True, mininterval=0.5
        )
        self._restart_clock(step)

    @staticmethod
    def _drop_lines_after(step: int, path, fields: list[str]) -> None:
        kept: list[dict] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.DictReader(file) if _is_until(row, step)]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fields, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        with written_beside(path) as beside:
            beside.write_text(text.getvalue(), encoding="utf-8", newline="")

    def advance(self, steps: int) -> None:
        """Moves the bar."""
        self._bar.update(steps)

    def write(self, message: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(message)

    def _restart_clock(self, step: int) -> None:
        self._clock = (step, time.monotonic())

    def training(self, step: int, scalars: Mapping[str, float], learning_rate: float) -> None:
        """Logs means over the steps since the last call."""
        earlier, then = self._clock
        rate = (step - earlier) * self._batch_size / max(time.monotonic() - then, 1e-9)
        self._bar.set_postfix_str(
            f"loss {scalars['loss']:.4f}, psnr {scalars['psnr']:.2f} dB, {rate:.0f} images/s"
        )
        row = {
            "images_per_second": rate,
            "learning_rate": learning_rate,
            **scalars,
        }
        self._row(step, row)
        with self._writer.as_default(step=step):
            for name, value in row.items():
                tf.summary.scalar(f"train/{name}", value)
        self._restart_clock(step)

    def validation(self, step: int, result: Validation) -> None:
        """Logs a validation with its pictures."""
        figures = {name: getattr(result, name) for name in _VALIDATION_FIELDS}
        self._row(step, {f"val_{name}": value for name, value in figures.items()})
        with self._writer.as_default(step=step):
            for name, value in figures.items():
                tf.summary.scalar(f"validation/{name}", value)
            for channel, value in zip("rgb", result.degradation_mean):
                tf.summary.scalar(f"validation/degradation_mean_{channel}", value)
            for index, picture in enumerate(result.pictures):
                tf.summary.image(
                    f"low, degradation, base, enhanced, truth/{index}", picture[np.newaxis]
                )
        self._writer.flush()
        # What a validation takes is not the speed of training.
        self._restart_clock(step)

    def _row(self, step: int, values: Mapping[str, float]) -> None:
        seconds = self._bar.format_dict["elapsed"]
        texts = {name: f"{value:.6g}" for name, value in values.items()}
        self._csv.writerow({"step": step, "seconds": f"{seconds:.1f}", **texts})
        self._file.flush()

    def close(self) -> None:
        self._bar.close()
        self._file.close()
        self._writer.close()


def _is_until(row: dict, step: int) -> bool:
    # A process that is killed may leave half a line.
    number = row.get("step") or ""
    return number.isdigit() and int(number) <= step


class NoLogs:
    """For the workers that leave the talking to the chief."""

    def advance(self, steps) -> None: ...

    def write(self, message: str) -> None: ...

    def training(self, step, scalars, learning_rate) -> None: ...

    def validation(self, step, result) -> None: ...

    def close(self) -> None: ...
