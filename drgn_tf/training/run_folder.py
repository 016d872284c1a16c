"""The folder of a run: what it was told, what it has learnt, nothing half written.

config.json     the effective options, and a fingerprint of the photos
run.flags       the same as a flagfile that repeats the run
checkpoints/    everything the run needs to go on
best.keras      averaged weights with the best validation PSNR (or SSIM: monitor)
best.json       the step and the metrics of that validation
last.keras      averaged weights at the last checkpoint
metrics.csv     a line every `log_every` steps, and one a validation
tensorboard/    the same, with pictures
samples.png     rows low | degradation | base | enhanced | reference of the last validation
report.json     the metrics of the finished run
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import keras

from drgn_tf.data.low_light_simulation import PhotometricOptions
from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path, make_folder, open_lock, partial_folder, remove_partial
from drgn_tf.losses import LossOptions
from drgn_tf.models import DRGN
from drgn_tf.training.options import CadenceOptions, RunOptions

# On Windows nothing keeps two runs apart.
if sys.platform != "win32":
    import fcntl

# Disk space, in bytes, of a validation's pictures and of the logs up to the next one.
_SPACE_PER_VALIDATION = 2 * 2**20
# Options that may differ when a run is continued: they change what is reported, or
# where the same photos lie (the fingerprint holds the photos themselves together).
_MAY_DIFFER = ("cadence.", "data.")
# Names of earlier releases for options of training.
_RENAMED = ("accumulate", "final_learning_rate", "keep_by")

# 2: optimizer and averages hold all weights as one vector. None was written down before.
_CHECKPOINT_FORM = 2


class RunFolder:
    """A folder for one run, made if it does not exist.

    Args:
      path: the folder.

    Raises:
      UserError: it cannot be made or written to.
    """

    def __init__(self, path: str | pathlib.Path):
        self.path = pathlib.Path(path)
        try:
            make_folder(self.path)
            # Workers that start together may all be here at once.
            with partial_folder(self.path):
                pass
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written to ({error.strerror}); choose another --run_dir."
            ) from error

    @property
    def checkpoints(self) -> pathlib.Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    def file(self, name: str) -> pathlib.Path:
        """Returns the path of a file in the folder."""
        return self.path / name

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps the folder to this process.

        Raises:
          UserError: another process has it, or .lock is something that others put there.
        """
        try:
            lock = open(self.file(".lock"), "a", opener=open_lock)  # noqa: SIM115
        except OSError as error:
            raise UserError(
                f"{self.file('.lock')}: cannot be locked ({error.strerror}); remove it, or choose "
                "another --run_dir."
            ) from error
        with lock:
            try:
                if sys.platform != "win32":
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(
                    f"{self.path}: another process trains here; stop it, or choose another "
                    "--run_dir."
                ) from error
            yield

    def remove_partial(self) -> None:
        """Removes what a run that was killed while it wrote a file has left here.

        To be called while the folder is locked, once it is known to be of this run.
        """
        for folder in (self.path, self.checkpoints):
            remove_partial(folder, alone=True, all_machines=True)
        # Of earlier releases.
        for file in self.path.glob(".*.partial.*"):
            file.unlink()

    def check_space(self, checkpoint: int, cadence: CadenceOptions, steps: int) -> None:
        """Checks that a run will find room.

        Args:
          checkpoint: bytes of one.
          cadence: how many are kept, and how often pictures are written.
          steps: that are left.

        Raises:
          UserError: less is free than the run needs.
        """
        # One more than is kept: the oldest goes when the newest is complete.
        needed = checkpoint * (cadence.keep_checkpoints + 1)
        needed += _SPACE_PER_VALIDATION * (steps // cadence.validate_every + 1)
        free = shutil.disk_usage(self.path).free
        if free < needed:
            raise UserError(
                f"{self.path}: {free / 1e6:.0f} MB are free and the run needs up to "
                f"{needed / 1e6:.0f} MB; make room or choose another --run_dir."
            )

    def check_options(self, options: RunOptions, fingerprint: str) -> None:
        """Refuses the folder of a different run; one without a checkpoint suits any.

        Raises:
          UserError: names the options that differ.
        """
        path = self.file("config.json")
        if not path.exists() or not any(self.checkpoints.glob("step-*")):
            return
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(earlier, dict):
                raise ValueError("it holds no options")
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({error}); remove the folder.") from error
        if earlier.get("photos") != fingerprint:
            raise UserError(
                f"{self.path}: holds a run on other photos (in names, sizes or pixels). Give the "
                "same photos to continue it, or another --run_dir."
            )
        renamed = [name for name in _RENAMED if name in earlier.get("training", {})]
        if renamed or earlier.get("checkpoint_form") != _CHECKPOINT_FORM:
            what = "whose checkpoints have another form"
            if renamed:
                what = f"in which options had other names ({', '.join(renamed)})"
            raise UserError(
                f"{self.path}: holds a run of an earlier release, {what}. Continue it with that "
                "release, or give another --run_dir; --init_weights starts from its last.keras."
            )
        was = {**_flatten(_unsaid()), **_flatten(earlier)}
        now = _flatten(_config(options, fingerprint))
        differences = [
            f"{name} was {was.get(name)} and is now {now.get(name)}"
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name) and not name.startswith(_MAY_DIFFER)
        ]
        if differences:
            raise UserError(
                f"{self.path}: holds a run with other options: {'; '.join(differences)}. "
                "Give the same options to continue it, or another --run_dir."
            )

    def save_options(self, options: RunOptions, fingerprint: str, flagfile: str) -> None:
        """Writes config.json and run.flags."""
        self.write_json("config.json", _config(options, fingerprint))
        self.write_text("run.flags", flagfile)

    def read_json(self, name: str) -> Any:
        """Returns the object in a JSON file, or None where there is none that can be read."""
        try:
            content = json.loads(self.file(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def write_json(self, name: str, content: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        self.write_text(name, json.dumps(content, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file, whole or not at all; names that are no UTF-8 have escapes in it."""
        with atomic_path(self.file(name)) as path:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")

    def save_model(self, name: str, model: DRGN) -> None:
        """Writes a .keras file, whole or not at all."""
        with atomic_path(self.file(name)) as path:
            model.save(path)


def _config(options: RunOptions, fingerprint: str) -> dict[str, Any]:
    return _through_json(
        {
            **options.to_dict(),
            "photos": fingerprint,
            "backend": keras.backend.backend(),
            "checkpoint_form": _CHECKPOINT_FORM,
        }
    )


def _unsaid() -> dict[str, Any]:
    """Returns what earlier releases did without an option for it, and so did not write down."""
    return _through_json(
        {
            "backend": "tensorflow",
            "loss": dataclasses.asdict(LossOptions()),
            "photometric": dataclasses.asdict(PhotometricOptions()),
        }
    )


def _through_json(config: dict[str, Any]) -> dict[str, Any]:
    # Tuples become the lists that are read back.
    read: dict[str, Any] = json.loads(json.dumps(config))
    return read


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
