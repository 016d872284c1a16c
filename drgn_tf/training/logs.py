"""What a run tells while it goes: a progress bar, metrics.csv, perhaps TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections.abc import Iterable, Mapping

import tqdm

from drgn_tf.files import atomic_path
from drgn_tf.training.run_folder import RunFolder
from drgn_tf.training.tensorboard import TensorBoard
from drgn_tf.training.validation import SET_FIELDS, Validation

_VALIDATION_FIELDS = (
    "psnr", "ssim", "psnr_given", "ssim_given", "brightness_error", "mean_change",
    "base_to_enhanced", "input_psnr", "input_ssim", "degradation_spread", "base_contrast",
    "enhanced_contrast",
)  # fmt: skip


class RunLogs:
    """The logs of one run, continued where an earlier one stopped. A context: opened by entering.

    Args:
      folder: of the run.
      terms: names of the scalars each training step may report.
      step: steps done; later lines, of a run that died after them, are dropped.
      steps: of the whole run.
      batch_size: for images per second.
      sets: names of further sets of photos that validations measure.
      board: gets the same, with pictures; by default there is none.
    """

    def __init__(
        self,
        folder: RunFolder,
        terms: list[str],
        step: int,
        steps: int,
        batch_size: int,
        board: TensorBoard | None = None,
        sets: Iterable[str] = (),
    ):
        self._path = folder.file("metrics.csv")
        self._step = step
        self._steps = steps
        self._batch_size = batch_size
        self._board = board
        self._fields = ["step", "seconds", "images_per_second", "learning_rate", *terms]
        self._fields += [f"val_{name}" for name in _VALIDATION_FIELDS]
        self._fields += [f"val_{name}_{of}" for name in sets for of in SET_FIELDS]

    def __enter__(self) -> RunLogs:
        self._drop_lines_after(self._step)
        self._file = self._path.open("a", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._file, self._fields, restval="")
        if self._board is not None:
            self._board.open()
        self._bar = tqdm.tqdm(
            total=self._steps, initial=self._step, unit="step", dynamic_ncols=True, mininterval=0.5
        )
        self._restart_clock(self._step)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._file.close()
        if self._board is not None:
            self._board.close()

    def _drop_lines_after(self, step: int) -> None:
        kept: list[dict[str, str]] = []
        if self._path.exists():
            # After a power failure the end may be anything.
            with (
                self._path.open(newline="", encoding="utf-8", errors="replace") as file,
                contextlib.suppress(csv.Error),
            ):
                for row in csv.DictReader(file):
                    if _is_until(row, step):
                        kept.append(row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._fields, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        with atomic_path(self._path) as beside:
            beside.write_text(text.getvalue(), encoding="utf-8", newline="")

    def advance(self, steps: int) -> None:
        """Moves the bar."""
        self._bar.update(steps)

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
        if self._board is not None:
            self._board.scalars(step, "train", row)
        self._restart_clock(step)

    def validation(self, step: int, result: Validation, best: bool = False) -> None:
        """Logs a validation with its pictures, and whether it is the best so far."""
        metrics = {name: getattr(result, name) for name in _VALIDATION_FIELDS}
        for name, of in result.sets.items():
            metrics.update({f"{name}_{key}": of[key] for key in SET_FIELDS})
        self._row(step, {f"val_{name}": value for name, value in metrics.items()})
        if self._board is not None:
            means = zip("rgb", result.degradation_mean)
            metrics.update({f"degradation_mean_{channel}": mean for channel, mean in means})
            self._board.scalars(step, "validation", metrics)
            self._board.pictures(step, result.pictures)
        self._bar.write(f"step {step}: {result.summary}{', the best so far' * best}")
        # What a validation takes is not the speed of training.
        self._restart_clock(step)

    def _row(self, step: int, values: Mapping[str, float]) -> None:
        seconds = self._bar.format_dict["elapsed"]
        texts = {name: f"{value:.6g}" for name, value in values.items()}
        self._csv.writerow({"step": step, "seconds": f"{seconds:.1f}", **texts})
        self._file.flush()


def _is_until(row: Mapping[str, str], step: int) -> bool:
    # A process that is killed may leave half a line.
    number = row.get("step") or ""
    return number.isdecimal() and int(number) <= step


class NoLogs:
    """For the workers that leave the talking to the chief."""

    def __enter__(self) -> NoLogs:
        return self

    def __exit__(self, *_: object) -> None: ...

    def advance(self, steps: int) -> None: ...

    def training(self, step: int, scalars: Mapping[str, float], learning_rate: float) -> None: ...

    def validation(self, step: int, result: Validation, best: bool = False) -> None: ...
