"""Flags of enhancing photos and videos."""

import pathlib

from absl import flags

from drgn_tf import weights
from drgn_tf.errors import user_errors
from drgn_tf.inference import Tiling
from drgn_tf.inference.batch import OutputOptions

_DEFAULTS = OutputOptions()
_TILING = Tiling()

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder of the results. What exists in it stays.", required=True
)
_MODEL = flags.DEFINE_string(
    "model",
    weights.DEFAULT,
    f"Trained network: {' or '.join(weights.names())} (shipped), or the path of a .keras, .tflite, "
    ".onnx or .ort file or of a SavedModel.",
)
_FORMAT = flags.DEFINE_enum(
    "format", "keep", ["keep", "jpg", "png", "webp"], "File format of the results."
)
_QUALITY = flags.DEFINE_integer(
    "quality", _DEFAULTS.quality, "Of JPEG and WebP.", lower_bound=1, upper_bound=100
)
_COMPARE = flags.DEFINE_boolean(
    "compare", _DEFAULTS.compare, "Also write <name>_compare: before | after."
)
_STAGES = flags.DEFINE_boolean(
    "stages",
    _DEFAULTS.stages,
    "Also write <name>_compare: before | degradation | base | after, where the model gives these "
    "(.keras and SavedModel).",
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Make results anew that exist.")
_TILE = flags.DEFINE_integer(
    "tile",
    _TILING.tile,
    "Side of the tiles of large photos in pixels, a multiple of 4. Smaller ones need less memory.",
)
_THREADS = flags.DEFINE_integer(
    "threads", None, "Used for computing. Default: all cores.", lower_bound=1
)


def output_dir() -> pathlib.Path:
    """Returns the folder of the results."""
    return pathlib.Path(_OUTPUT_DIR.value)


def model() -> str:
    """Returns the name or path of the network."""
    return _MODEL.value


def threads() -> int | None:
    """Returns how many threads compute, or None for all."""
    return _THREADS.value


def ending() -> str | None:
    """Returns the ending of the results, or None to keep that of each photo."""
    return None if _FORMAT.value == "keep" else f".{_FORMAT.value}"


def overwrite() -> bool:
    """Returns whether results that exist are made anew."""
    return _OVERWRITE.value


def output_options() -> OutputOptions:
    """Returns what is written and how."""
    return OutputOptions(quality=_QUALITY.value, compare=_COMPARE.value, stages=_STAGES.value)


def tiling() -> Tiling:
    """Returns how large photos are cut; UserError if the tile is unusable."""
    with user_errors():
        return Tiling(tile=_TILE.value)
