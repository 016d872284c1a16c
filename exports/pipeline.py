"""Exports a trained network to artefacts, each verified against it.

The steps of each artefact:

    convert    into a temporary folder beside its destination
    verify     run by its own runtime, compared with the network (`verification`)
    inspect    operators, quantisation, operators that a GPU does not support
    measure    time and memory, in a separate process; quality on pairs, if given
    rename     to its destination

An artefact that fails is removed and its reason reported; the others are kept. The leftovers
of a killed export never have an artefact's name, and the next export removes them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from drgn_tf.data.pairs import Pair
from drgn_tf.errors import UserError
from drgn_tf.evaluation.image_quality import evaluate_pairs, mean_metrics
from drgn_tf.evaluation.methods import Method
from drgn_tf.exports import gpu_delegate, tflite_inspection
from drgn_tf.exports.calibration import CalibrationSample, calibration_samples
from drgn_tf.exports.flavours import flavours
from drgn_tf.exports.measurement import Measurement, measure
from drgn_tf.exports.onnx import DEFAULT_PRECISIONS as DEFAULT_ONNX_PRECISIONS
from drgn_tf.exports.onnx import export_onnx, export_ort, onnx_operators
from drgn_tf.exports.saved_model import ServingOptions, export_saved_model
from drgn_tf.exports.tflite import DEFAULT_PRECISIONS, Conversion, export_tflite
from drgn_tf.exports.verification import BOUNDS, Agreement, verify, verify_serving
from drgn_tf.files import first_line, make_folder, move, partial_folder, remove_partial, sha256
from drgn_tf.inference import Driver, Enhancer, ModelFileError, load_driver
from drgn_tf.inference.keras_driver import KerasDriver
from drgn_tf.models import DRGN

# The default formats, and all formats.
DEFAULT_FORMATS = ("saved_model", "tflite", "onnx")
FORMATS = (*DEFAULT_FORMATS, "ort")
LAYOUTS = ("nhwc", "nchw")
# How thorough the verification is, and on how many photos.
VERIFY = {"quick": 3, "full": 12}
# Height and width in pixels of the photo on which artefacts of any size are timed.
_TIMED = (512, 512)


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
      name: of the network, in file names and metadata.
      formats: a subset of `FORMATS`.
      tflite_sizes: (height, width) in pixels of the files for GPUs and NPUs.
      tflite_precisions: of those files.
      onnx_sizes: (height, width) of further .onnx files, besides those of any size.
      onnx_layouts: a subset of `LAYOUTS`.
      onnx_precisions: of the tiled .onnx files, a subset of `onnx.PRECISIONS`; the others, of any
        size, are of float32. "integer" is made of `onnx_sizes` alone.
      version: version folder of the SavedModel.
      serving: of the SavedModel.
      overwrite: whether existing artefacts may be replaced.
      threads: compute threads of the measurements; None skips time and memory.
      calibration_count: number of crops of photos for calibration.
      verify: a key of `VERIFY`.
    """

    name: str
    formats: tuple[str, ...] = DEFAULT_FORMATS
    tflite_sizes: tuple[tuple[int, int], ...] = ((256, 256),)
    tflite_precisions: tuple[str, ...] = DEFAULT_PRECISIONS
    onnx_sizes: tuple[tuple[int, int], ...] = ()
    onnx_layouts: tuple[str, ...] = LAYOUTS
    onnx_precisions: tuple[str, ...] = DEFAULT_ONNX_PRECISIONS
    version: int = 1
    serving: ServingOptions = dataclasses.field(default_factory=ServingOptions)
    overwrite: bool = False
    threads: int | None = 2
    calibration_count: int = 64
    verify: str = "quick"


@dataclasses.dataclass(frozen=True)
class Artefact:
    """An artefact to make.

    Attributes:
      path: relative to the output folder.
      precision: a key of `verification.BOUNDS`.
      write: writes the artefact to a path; returns notes for the report, or None.
      jpeg_quality: of a SavedModel, see `ServingOptions`.
    """

    path: pathlib.PurePosixPath
    precision: str
    write: Callable[[pathlib.Path], str | None]
    jpeg_quality: int | None = None

    @property
    def is_tflite(self) -> bool:
        """Whether this is a .tflite file."""
        return self.path.suffix == ".tflite"


@dataclasses.dataclass(frozen=True)
class Failure:
    """An artefact that failed.

    Attributes:
      path: relative to the output folder.
      reason: why it failed.
    """

    path: pathlib.PurePosixPath
    reason: str


@dataclasses.dataclass(frozen=True)
class Success:
    """An artefact that was made and verified.

    Attributes:
      path: relative to the output folder.
      precision: a key of `verification.BOUNDS`.
      reason: None, which tells it from a `Failure`.
      bytes: size on disk.
      sha256: of the file, or of all files in the folder.
      agreement: with the network.
      operators: count of each operator.
      quantisation: (scale, zero point) of quantised inputs and outputs, by name.
      gpu_fallbacks: operators that a mobile GPU does not support; None where it does not apply.
      measurement: time and memory, if requested.
      quality: mean PSNR and SSIM on the pairs, if there are any.
      notes: of the converter.
      earlier: versions, calibration, verification and machine of the earlier export that made it;
        None for one of this export.
    """

    path: pathlib.PurePosixPath
    precision: str
    reason: None = dataclasses.field(default=None, init=False)
    bytes: int
    sha256: str
    agreement: Agreement
    operators: dict[str, int]
    quantisation: dict[str, tuple[float, int]]
    gpu_fallbacks: list[str] | None
    measurement: Measurement | None
    quality: dict[str, float] | None
    notes: str = ""
    earlier: dict[str, Any] | None = None


Outcome: TypeAlias = Success | Failure


def plan(model: DRGN, options: ExportOptions, photos: Sequence[np.ndarray]) -> list[Artefact]:
    """Returns the artefacts of an export.

    Args:
      model: the trained network.
      options: of the export.
      photos: low-light photos, uint8 [H, W, 3], for calibration and warm-up.
    """
    artefacts = []
    if "saved_model" in options.formats:
        write = functools.partial(
            export_saved_model,
            model,
            name=options.name,
            warmup_photos=[photo[:256, :256] for photo in photos[:2]],
            options=options.serving,
        )
        path = pathlib.PurePosixPath("saved_model", str(options.version))
        artefacts.append(Artefact(path, "float32", write, options.serving.jpeg_quality))
    if "tflite" in options.formats:
        artefacts += _plan_tflite(model, options, photos)
    artefacts += _plan_onnx(model, options, photos)
    return artefacts


def _plan_tflite(
    model: DRGN, options: ExportOptions, photos: Sequence[np.ndarray]
) -> Iterator[Artefact]:
    wanted: list[tuple[tuple[int, int] | None, str, str]]
    wanted = [(None, flavour, "float32") for flavour in flavours(model.options)]
    wanted += [
        (size, "tiled", precision)
        for size in options.tflite_sizes
        for precision in options.tflite_precisions
    ]
    samples: dict[tuple[int, int] | None, Sequence[CalibrationSample]] = {None: ()}
    for fixed in options.tflite_sizes:
        samples[fixed] = calibration_samples(
            photos, fixed, model.options.thumbnail_size, options.calibration_count
        )
    known: dict[Conversion, bytes] = {}
    for size, flavour, precision in wanted:
        write = functools.partial(
            export_tflite,
            model,
            precision=precision,
            size=size,
            flavour=flavour,
            name=options.name,
            calibration=samples[size],
            known=known,
        )
        name = f"{options.name}_{_described(size, flavour)}_{precision}.tflite"
        yield Artefact(pathlib.PurePosixPath("tflite", name), precision, write)


def _plan_onnx(
    model: DRGN, options: ExportOptions, photos: Sequence[np.ndarray]
) -> Iterator[Artefact]:
    converted: dict[str, bytes] = {}

    def export_once(model: DRGN, path: pathlib.Path, **how: Any) -> None:
        """Converts a network once for both .onnx and .ort."""
        if path.stem in converted:
            path.write_bytes(converted.pop(path.stem))
        else:
            export_onnx(model, path, **how)
            if {"onnx", "ort"} <= set(options.formats):
                converted[path.stem] = path.read_bytes()

    kinds = [
        (suffix, write)
        for suffix, write in (
            ("onnx", export_once),
            ("ort", functools.partial(_export_ort, export_once)),
        )
        if suffix in options.formats
    ]
    wanted: list[tuple[tuple[int, int] | None, str, str]]
    wanted = [(None, flavour, "float32") for flavour in flavours(model.options)]
    # Half precision and integers are for accelerators, which run tiles.
    wanted += [
        (size, "tiled", precision)
        for precision in options.onnx_precisions
        for size in (None, *options.onnx_sizes)
        if size is not None or precision == "float16"
    ]
    for suffix, export_one in kinds:
        for layout in options.onnx_layouts:
            for size, flavour, precision in wanted:
                samples: Sequence[CalibrationSample] = ()
                if size is not None and precision == "integer":
                    samples = calibration_samples(
                        photos, size, model.options.thumbnail_size, options.calibration_count
                    )
                write = functools.partial(
                    export_one,
                    model,
                    layout=layout,
                    size=size,
                    flavour=flavour,
                    name=options.name,
                    precision=precision,
                    calibration=samples,
                )
                kind = "" if precision == "float32" else f"_{precision}"
                name = f"{options.name}_{layout}_{_described(size, flavour)}{kind}.{suffix}"
                yield Artefact(pathlib.PurePosixPath("onnx", name), precision, write)


def _export_ort(
    export_once: Callable[..., None], model: DRGN, path: pathlib.Path, **options: Any
) -> str:
    source = path.with_suffix(".onnx")
    try:
        export_once(model, source, **options)
        return export_ort(source)
    finally:
        source.unlink(missing_ok=True)


def _described(size: tuple[int, int] | None, flavour: str) -> str:
    extent = "dynamic" if size is None else f"{size[0]}x{size[1]}"
    return f"{extent}_{flavour}"


def check_targets(artefacts: Sequence[Artefact], output_dir: pathlib.Path, overwrite: bool) -> None:
    """Raises UserError if something would be replaced that may not be."""
    for name in ("README.md", "LICENSE", "golden"):
        if (output_dir / name).exists() and not (output_dir / "report.json").exists():
            raise UserError(
                f"{output_dir / name}: is of no export; choose another --output_dir, in which an "
                f"export writes its own {name}."
            )
    for artefact in artefacts:
        target = output_dir / artefact.path
        if target.exists() and not overwrite:
            raise UserError(
                f"{target}: exists; choose another --output_dir"
                f"{' or --saved_model_version' if target.is_dir() else ''}, or replace it with "
                "--overwrite."
            )


def compared_photos(photos: Sequence[np.ndarray], verify: str) -> list[np.ndarray]:
    """Returns the photos on which artefacts are compared with the network.

    From the darkest to the brightest, evenly spread in rank, both ends among them: artefacts of
    8 bits differ most at the ends.

    Args:
      photos: low-light photos, uint8 [H, W, 3].
      verify: a key of `VERIFY`.
    """
    ranked = sorted(photos, key=np.mean)
    count = min(VERIFY[verify], len(ranked))
    return [ranked[round(i * (len(ranked) - 1) / max(count - 1, 1))] for i in range(count)]


@contextlib.contextmanager
def staging(output_dir: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a temporary folder beside the artefacts; removes it and leftovers of killed exports.

    Raises:
      UserError: nothing can be written there.
    """
    with contextlib.ExitStack() as stack:
        try:
            make_folder(output_dir)
            remove_partial(output_dir)
            folder = stack.enter_context(partial_folder(output_dir))
        except OSError as error:
            raise UserError(
                f"{output_dir}: cannot be written to ({error.strerror}); choose another "
                "--output_dir."
            ) from error
        yield folder


def export(
    artefact: Artefact,
    folder: pathlib.Path,
    output_dir: pathlib.Path,
    reference: KerasDriver,
    photos: Sequence[np.ndarray],
    pairs: Sequence[Pair] = (),
    threads: int | None = 2,
) -> Outcome:
    """Makes and verifies one artefact; moves it to the output folder, or returns why not.

    Args:
      artefact: from `plan`.
      folder: from `staging`.
      output_dir: destination.
      reference: the network.
      photos: low-light photos, uint8 [H, W, 3], for the comparison.
      pairs: for the quality metrics.
      threads: compute threads of the measurements; None skips time and memory.
    """
    staged = folder / artefact.path
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        notes = artefact.write(staged) or ""
        driver = load_driver(staged, threads)
        agreement = verify(driver, reference, photos, BOUNDS[artefact.precision])
        if driver.kind == "saved_model":
            verify_serving(staged, reference, photos, artefact.jpeg_quality)
        outcome = _examined(artefact, staged, driver, agreement, photos, pairs, threads)
        place(staged, output_dir / artefact.path)
        return dataclasses.replace(outcome, notes=notes)
    except UserError as error:
        return Failure(artefact.path, str(error))
    # Converters raise errors of any type; the other artefacts must still be made.
    except Exception as error:  # noqa: BLE001
        return Failure(artefact.path, f"{artefact.path.name}: {first_line(error)}.")
    finally:
        if staged.is_dir():
            shutil.rmtree(staged, ignore_errors=True)
        else:
            staged.unlink(missing_ok=True)


def confirmed(outcomes: Sequence[Outcome], output_dir: pathlib.Path) -> list[Outcome]:
    """Returns the outcomes, with a failure for each artefact that was removed meanwhile."""
    return [
        outcome
        if outcome.reason is not None or (output_dir / outcome.path).exists()
        else Failure(outcome.path, f"{outcome.path}: was made and has been removed since.")
        for outcome in outcomes
    ]


def _examined(
    artefact: Artefact,
    staged: pathlib.Path,
    driver: Driver,
    agreement: Agreement,
    photos: Sequence[np.ndarray],
    pairs: Sequence[Pair],
    threads: int | None,
) -> Success:
    size = driver.size or _TIMED
    repeats = [-(-side // have) for side, have in zip(size, photos[0].shape)]
    timed = np.tile(photos[0], (*repeats, 1))[: size[0], : size[1]]
    files = [file for file in staged.rglob("*") if file.is_file()] or [staged]
    operators: dict[str, int] = {}
    quantisation: dict[str, tuple[float, int]] = {}
    fallbacks = None
    if artefact.is_tflite:
        operators = tflite_inspection.operators(staged)
        quantisation = tflite_inspection.quantisation(staged)
        fallbacks = gpu_delegate.gpu_fallbacks(staged)
    elif staged.suffix == ".onnx":
        operators = onnx_operators(staged)
    return Success(
        artefact.path,
        artefact.precision,
        bytes=sum(file.stat().st_size for file in files),
        sha256=sha256(staged),
        agreement=agreement,
        operators=operators,
        quantisation=quantisation,
        gpu_fallbacks=fallbacks,
        measurement=measure(staged, timed, threads) if threads else None,
        quality=quality(driver, pairs) if pairs else None,
    )


def quality(driver: Driver, pairs: Sequence[Pair]) -> dict[str, float] | None:
    """Returns mean PSNR and SSIM on pairs; None if the artefact cannot process these photos."""
    try:
        method = Method(driver.kind, Enhancer(driver))
        metrics = list(evaluate_pairs([method], pairs, names=("psnr", "ssim")))
    except ModelFileError:
        return None
    return mean_metrics(metrics)[method.name]


def place(staged: pathlib.Path, target: pathlib.Path) -> None:
    """Moves what was made in `staging` to its place, where it replaces an earlier one."""
    make_folder(target.parent)
    move(staged, target)
