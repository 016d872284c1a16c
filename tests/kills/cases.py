"""Programs whose work is disturbed, and what has to hold of their files at any moment."""

from __future__ import annotations

import hashlib
import json
import pathlib
import zipfile

import cv2
import numpy as np
from PIL import Image

# What programs import, once for all of them.
_LIGHT = (
    "import ai_edge_litert.interpreter, drgn_tf.evaluation.report, drgn_tf.inference.batch, "
    "drgn_tf.inference.tflite_driver, scipy.special, drgn_tf.data.decoded_photos"
)
_TENSORFLOW = (
    "import tensorflow, drgn_tf.training.run, drgn_tf.training.tensorflow, "
    "drgn_tf.exports.pipeline, drgn_tf.exports.reports"
)
# Files of training that grow line by line.
_LOGS = ("metrics.csv", "tensorboard", ".lock")


class Lost(AssertionError):
    """Something that was or should be there is not, or not whole."""


class Case:
    """A program, its input in `in`, and its output in `out`, of a folder of its own.

    Args:
      assets: folder with the photos and networks of all cases, see `make_assets`.
    """

    name = ""
    module = ""
    libraries = _LIGHT
    # Whether it reads the networks of the assets.
    networks = False
    # Whether there is a result of an earlier run, which the program is told to replace.
    replaces = False

    def __init__(self, assets: pathlib.Path):
        self.assets = assets
        # SHA-256 of each file by its name: of the earlier run, and of an undisturbed one.
        self.before: dict[str, str] = {}
        self.after: dict[str, str] = {}

    def arguments(self, folder: pathlib.Path) -> list[str]:
        """Returns the program's arguments."""
        raise NotImplementedError

    def earlier_arguments(self, folder: pathlib.Path) -> list[str]:
        """Returns those of the earlier run, with another network."""
        return [
            text.replace("=mobile", "=base").replace("/tiny.", "/earlier.")
            for text in self.arguments(folder)
        ]

    def know(self, folder: pathlib.Path) -> None:
        """Remembers an undisturbed run beyond `after`."""

    def check(self, folder: pathlib.Path) -> None:
        """Raises Lost if a file is not whole, or one of the earlier run is gone."""
        for name, path in files_in(folder / "out").items():
            if not self._is_log(name) and sha256(path) not in self._versions(name):
                check_whole(path)
        gone = self.before.keys() - files_in(folder / "out").keys()
        if gone & self.after.keys():
            raise Lost(f"gone: {sorted(gone)}")

    def check_finished(self, folder: pathlib.Path) -> None:
        """Raises Lost if the results are not those of an undisturbed run, or something is left."""
        self.check(folder)
        found = files_in(folder / "out")
        if missing := self.missing(folder):
            raise Lost(f"missing: {missing}")
        left = [str(path) for path in folder.rglob(".*") if path.name != ".lock"]
        left += [name for name in found.keys() - self.after.keys() if not self._is_log(name)]
        if left:
            raise Lost(f"left: {left}")
        for name in self.repeatable():
            if sha256(found[name]) != self.after[name]:
                raise Lost(f"differs from an undisturbed run: {name}")

    def missing(self, folder: pathlib.Path) -> list[str]:
        """Returns the names of the results of an undisturbed run that are not there."""
        missing = self.after.keys() - files_in(folder / "out").keys()
        return sorted(name for name in missing if not self._is_log(name))

    def repeatable(self) -> list[str]:
        """Returns the names of the files that are the same in every run."""
        return [*self.after]

    def _versions(self, name: str) -> list[str | None]:
        return [self.before.get(name), self.after.get(name)]

    def _is_log(self, name: str) -> bool:
        return name.startswith(_LOGS)


class Enhance(Case):
    """Photos and a film."""

    name = "enhance"
    module = "drgn_tf.cli.enhance"

    def arguments(self, folder):
        return [
            "--model=mobile", f"--output_dir={folder / 'out'}", "--compare",
            "--threads=1", *["--overwrite"] * self.replaces, str(self.assets / "photos"),
        ]  # fmt: skip


class EnhanceAgain(Enhance):
    """The same, over the results of another network."""

    name = "enhance --overwrite"
    replaces = True


class Evaluate(Case):
    """Pairs, over the results of another network."""

    name = "evaluate --overwrite"
    module = "drgn_tf.cli.evaluate"
    replaces = True

    def arguments(self, folder):
        return [
            "--model=mobile", f"--output_dir={folder / 'out'}",
            f"--data_dir={self.assets / 'pairs'}", "--save_images", "--overwrite",
            "--baselines=",
        ]  # fmt: skip

    def check(self, folder):
        # Complete results that have not got all their names yet are in .complete.
        out = folder / "out"
        if not (out / ".complete").is_dir():
            super().check(folder)
            results = json.loads((out / "results.json").read_text())
            listed = (out / "per_image.csv").read_text().splitlines()
            rows = len(results["pairs"]["mean"])
            if len(listed) != 1 + rows * results["pairs"]["count"]:
                raise Lost("results.json and per_image.csv are of different runs")
        elif not any((path / "results.json").is_file() for path in (out, out / ".complete")):
            raise Lost("no results.json")

    def repeatable(self):
        # The command is in it, with the folder.
        return [name for name in self.after if name != "results.json"]


class Export(Case):
    """A SavedModel and .tflite files, over those of another network."""

    name = "export --overwrite"
    module = "drgn_tf.cli.export"
    networks = True
    libraries = _TENSORFLOW
    replaces = True

    def arguments(self, folder):
        return [
            f"--model={self.assets / 'tiny.keras'}", "--name=net", f"--output_dir={folder / 'out'}",
            "--formats=saved_model,tflite", "--tflite_sizes=", "--threads=0", "--overwrite",
            f"--calibration_dir={self.assets / 'pairs' / 'low'}", "--calibration_count=1",
        ]  # fmt: skip

    def check(self, folder):
        super().check(folder)
        # A SavedModel is the earlier one or the new one as a whole.
        found = {
            name: sha256(path)
            for name, path in files_in(folder / "out").items()
            if name.endswith("variables.data-00000-of-00001")
        }
        for name, value in found.items():
            if value not in self._versions(name):
                raise Lost(f"neither the earlier file nor the new one: {name}")

    def repeatable(self):
        return [name for name in self.after if name.endswith((".tflite", "of-00001"))]


class Cache(Case):
    """Decoded photos on disk."""

    name = "cache"
    module = "tests.kills.build_cache"

    def arguments(self, folder):
        return [str(self.assets / "pairs"), str(folder / "out")]

    def check(self, folder):
        # Pixels without a list are no entry.
        pass


class Train(Case):
    """A deterministic run: after any kills its weights are those of an undisturbed one."""

    name = "train"
    module = "drgn_tf.cli.train"
    libraries = _TENSORFLOW

    def arguments(self, folder):
        return [
            f"--data_dir={self.assets / 'pairs'}", f"--run_dir={folder / 'out'}", "--preset=tiny",
            "--scales=1", "--fusion_blocks=0", "--discriminator_width=8", "--steps=12",
            "--batch_size=2", "--crop_size=32", "--val_fraction=0.25", "--photometric_fraction=0",
            "--synthetic_start=0", "--synthetic_ramp=4", "--warmup_steps=2", "--deterministic",
            "--log_every=1", "--validate_every=4", "--checkpoint_every=2",
        ]  # fmt: skip

    def check(self, folder):
        super().check(folder)
        out = folder / "out"
        best = out / "best.json"
        if best.exists() and not (out / "best.keras").exists():
            raise Lost("best.json without best.keras")
        import tensorflow as tf

        for index in (out / "checkpoints").glob("step-*.index"):
            reader = tf.train.load_checkpoint(str(index.with_suffix("")))
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)

    def check_finished(self, folder):
        super().check_finished(folder)
        if weights_sums(folder / "out") != self._sums:
            raise Lost("the weights differ from those of an undisturbed run")

    def repeatable(self):
        return ["best.json", "report.json", "config.json"]

    def know(self, folder):
        self._sums = weights_sums(folder / "out")


CASES = (Enhance, EnhanceAgain, Evaluate, Cache, Export, Train)


def files_in(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the files below a folder that are not in hidden folders, by their names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = path
    return found


def sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights_sums(run_dir: pathlib.Path) -> dict[str, str]:
    """Returns the SHA-256 of the weights in last.keras and best.keras."""
    sums = {}
    for name in ("last.keras", "best.keras"):
        with zipfile.ZipFile(run_dir / name) as archive:
            data = archive.read("model.weights.h5")
        sums[name] = hashlib.sha256(_h5_values(data)).hexdigest()
    return sums


def _h5_values(data: bytes) -> bytes:
    import io

    import h5py

    values: list[bytes] = []
    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(
            lambda name, item: (
                values.append(name.encode() + np.asarray(item).tobytes())
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return b"".join(values)


def check_whole(path: pathlib.Path) -> None:
    """Raises Lost unless a file can be read to its end."""
    try:
        if path.suffix in (".png", ".jpg"):
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise Lost(f"{path}: {damaged} is damaged")
        elif path.suffix == ".mp4":
            frames, reader = 0, cv2.VideoCapture(str(path))
            while reader.grab():
                frames += 1
            if frames != FRAMES:
                raise Lost(f"{path}: {frames} of {FRAMES} frames")
        elif not path.stat().st_size:
            raise Lost(f"{path}: empty")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Lost(f"{path}: {error}") from error


# Of the film.
FRAMES = 12


def make_assets(folder: pathlib.Path, networks: bool) -> None:
    """Makes photos, pairs, a film and perhaps networks."""
    from drgn_tf.data import sample
    from drgn_tf.images.photos import read_photo

    photo = read_photo(sample.held_out_photos()[0])
    for name in ("photos/more", "pairs/low", "pairs/high"):
        (folder / name).mkdir(parents=True)
    for index in range(4):
        high = photo[60 * index : 60 * index + 48, 100:164]
        low = np.round(255 * 0.6 * (high / 255.0) ** 2.5).astype(np.uint8)
        Image.fromarray(low).save(folder / "pairs" / "low" / f"{index}.png")
        Image.fromarray(high).save(folder / "pairs" / "high" / f"{index}.png")
        Image.fromarray(low).save(folder / "photos" / f"{index}.jpg")
        Image.fromarray(low).save(folder / "photos" / "more" / f"{index}.png")
    writer = cv2.VideoWriter(
        str(folder / "photos" / "film.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48)
    )
    for index in range(FRAMES):
        writer.write(photo[4 * index : 4 * index + 48, 8 * index : 8 * index + 64, ::-1] // 4)
    writer.release()
    if networks:
        _make_networks(folder)


def _make_networks(folder: pathlib.Path) -> None:
    import keras

    from drgn_tf.models import DRGN, preset

    for seed, name in ((5, "tiny"), (6, "earlier")):
        keras.utils.set_random_seed(seed)
        model = DRGN(preset("tiny"))
        model.build()
        model.save(folder / f"{name}.keras")
