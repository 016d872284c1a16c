"""Flags for exporting trained networks."""

import pathlib
import re

from absl import flags

from drgn_tf import weights
from drgn_tf.errors import UserError
from drgn_tf.exports.onnx import PRECISIONS as ONNX_PRECISIONS
from drgn_tf.exports.pipeline import FORMATS, LAYOUTS, VERIFY, ExportOptions
from drgn_tf.exports.saved_model import ServingOptions
from drgn_tf.exports.tflite import PRECISIONS

_DEFAULTS = ExportOptions(name="")
# Sides of files of a fixed size: margins take all of smaller tiles.
_SMALLEST, _LARGEST = 16, 4096

_MODEL = flags.DEFINE_string(
    "model",
    weights.DEFAULT,
    f"Trained network: {' or '.join(weights.names())} (shipped), or the path of a .keras file.",
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the artefacts.", required=True)
_NAME = flags.DEFINE_string(
    "name", "", "Name of the network in file names and metadata. Default: the name of the file."
)
_FORMATS = flags.DEFINE_list(
    "formats",
    list(_DEFAULTS.formats),
    f"Formats to export: {', '.join(FORMATS)}; .ort files are for ONNX Runtime on phones.",
)
_TFLITE_SIZES = flags.DEFINE_list(
    "tflite_sizes",
    [f"{height}x{width}" for height, width in _DEFAULTS.tflite_sizes],
    "HEIGHTxWIDTH of the .tflite files for GPUs and NPUs. Files for all multiples of 4, for the "
    "CPU, are always made.",
)
_TFLITE_PRECISIONS = flags.DEFINE_list(
    "tflite_precisions",
    list(_DEFAULTS.tflite_precisions),
    f"Precisions of those files: {', '.join(PRECISIONS)}. int16x8 and integer are for NPUs "
    "on which you have tried them.",
)
_ONNX_SIZES = flags.DEFINE_list(
    "onnx_sizes", [], "HEIGHTxWIDTH of further .onnx files, besides those for any size."
)
_ONNX_LAYOUTS = flags.DEFINE_list(
    "onnx_layouts",
    list(_DEFAULTS.onnx_layouts),
    f"Layouts of the .onnx files: {', '.join(LAYOUTS)}.",
)
_ONNX_PRECISIONS = flags.DEFINE_list(
    "onnx_precisions",
    list(_DEFAULTS.onnx_precisions),
    f"Precisions of the tiled .onnx files: {', '.join(ONNX_PRECISIONS)}. Half precision is for "
    "GPUs and NPUs, integer (of --onnx_sizes alone) for NPUs; CPUs are slower with either.",
)
_VERSION = flags.DEFINE_integer(
    "saved_model_version",
    _DEFAULTS.version,
    "Version folder of the SavedModel.",
    lower_bound=1,
    upper_bound=2**63 - 1,
)
_MAX_MEGAPIXELS = flags.DEFINE_integer(
    "max_megapixels",
    _DEFAULTS.serving.max_megapixels,
    "The SavedModel refuses larger photo files before they are decoded.",
    lower_bound=1,
    upper_bound=10000,
)
_JPEG_QUALITY = flags.DEFINE_integer(
    "jpeg_quality",
    0,
    "The SavedModel answers photo files with JPEG files of this quality; 0 for PNG.",
    lower_bound=0,
    upper_bound=100,
)
_UPRIGHT = flags.DEFINE_boolean(
    "upright",
    _DEFAULTS.serving.upright,
    "The SavedModel turns JPEG files as their EXIF orientation says.",
)
_STAGES = flags.DEFINE_boolean(
    "stages",
    _DEFAULTS.serving.stages,
    "Add a signature with degradation, base and enhanced to the SavedModel.",
)
_CALIBRATION_DIR = flags.DEFINE_string(
    "calibration_dir",
    "",
    "Folder of low-light photos for calibration and comparison, like those to be enhanced. "
    "Default: free photos, darkened.",
)
_CALIBRATION_COUNT = flags.DEFINE_integer(
    "calibration_count",
    _DEFAULTS.calibration_count,
    "Number of crops of these photos for calibration. With fewer crops than photos, some photos "
    "are not represented.",
    lower_bound=1,
    upper_bound=10_000,
)
_EVAL_DATA_DIR = flags.DEFINE_string(
    "eval_data_dir",
    "",
    "Folder of pairs (low/ and high/): adds PSNR and SSIM of each artefact to the report.",
)
_VERIFY = flags.DEFINE_enum(
    "verify",
    _DEFAULTS.verify,
    list(VERIFY),
    "How thoroughly artefacts are compared with the network: on "
    + " or ".join(f"{count} photos ({name})" for name, count in VERIFY.items())
    + ", from the darkest to the brightest. Use full before a release.",
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace existing artefacts.")
_THREADS = flags.DEFINE_integer(
    "threads",
    _DEFAULTS.threads,
    "Compute threads for measuring time and memory; 0 skips the measurement.",
    lower_bound=0,
    upper_bound=512,
)


def model() -> str:
    """Returns the name or path of the network."""
    return _MODEL.value


def output_dir() -> pathlib.Path:
    """Returns the folder of the artefacts."""
    return pathlib.Path(_OUTPUT_DIR.value)


def calibration_dir() -> pathlib.Path | None:
    """Returns the folder of calibration photos, or None for the free ones."""
    return pathlib.Path(_CALIBRATION_DIR.value) if _CALIBRATION_DIR.value else None


def eval_data_dir() -> pathlib.Path | None:
    """Returns the folder of pairs, or None."""
    return pathlib.Path(_EVAL_DATA_DIR.value) if _EVAL_DATA_DIR.value else None


def _choices(flag: flags.FlagHolder[list[str]], allowed: tuple[str, ...]) -> tuple[str, ...]:
    for value in flag.value:
        if value not in allowed:
            raise UserError(f"--{flag.name}: unknown '{value}'; choose of {', '.join(allowed)}.")
    return tuple(dict.fromkeys(flag.value))


def _sizes(flag: flags.FlagHolder[list[str]]) -> tuple[tuple[int, int], ...]:
    sizes = []
    for value in flag.value:
        match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", value)
        if not match or not all(_SMALLEST <= int(side) <= _LARGEST for side in match.groups()):
            raise UserError(
                f"--{flag.name}: '{value:.60}' is no size; give HEIGHTxWIDTH in pixels, each from "
                f"{_SMALLEST} to {_LARGEST}, such as 256x256."
            )
        sizes.append((int(match[1]), int(match[2])))
    return tuple(dict.fromkeys(sizes))


def export_options() -> ExportOptions:
    """Returns the options of the export.

    Raises:
      UserError: a flag has a value that there is not.
    """
    name = _NAME.value or pathlib.Path(_MODEL.value).stem
    if not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"--name: '{name}' is no name for files; use letters, digits, . - and _.")
    if not _FORMATS.value:
        raise UserError(f"--formats: give at least one of {', '.join(FORMATS)}.")
    onnx_sizes = _sizes(_ONNX_SIZES)
    onnx_precisions = _choices(_ONNX_PRECISIONS, ONNX_PRECISIONS)
    if "integer" in onnx_precisions and not onnx_sizes:
        raise UserError("--onnx_precisions: integer files need a fixed size; give --onnx_sizes.")
    return ExportOptions(
        name=name,
        formats=_choices(_FORMATS, FORMATS),
        tflite_sizes=_sizes(_TFLITE_SIZES),
        tflite_precisions=_choices(_TFLITE_PRECISIONS, PRECISIONS),
        onnx_sizes=onnx_sizes,
        onnx_layouts=_choices(_ONNX_LAYOUTS, LAYOUTS),
        onnx_precisions=onnx_precisions,
        version=_VERSION.value,
        serving=ServingOptions(
            max_megapixels=_MAX_MEGAPIXELS.value,
            jpeg_quality=_JPEG_QUALITY.value or None,
            upright=_UPRIGHT.value,
            stages=_STAGES.value,
        ),
        overwrite=_OVERWRITE.value,
        threads=_THREADS.value or None,
        calibration_count=_CALIBRATION_COUNT.value,
        verify=_VERIFY.value,
    )
