"""Flags for enhancing photos and videos."""

import pathlib

from absl import flags

from drgn_tf import weights
from drgn_tf.brightness import BRIGHTEST, DARKEST
from drgn_tf.errors import UserError, user_errors
from drgn_tf.images.formats import FORMATS
from drgn_tf.images.opening import MAX_MEGAPIXELS
from drgn_tf.inference import Tiling
from drgn_tf.inference.batch import OutputOptions
from drgn_tf.inference.video import CODECS, VideoOptions

_DEFAULTS = OutputOptions()
# Beyond, every photo is black or white.
_MOST_STOPS = 5.0
_TILING = Tiling()

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder of the results. Existing files in it are kept.", required=True
)
_MODEL = flags.DEFINE_string(
    "model",
    weights.DEFAULT,
    f"Trained network: {' or '.join(weights.names())} (shipped), or the path of a .keras, .tflite, "
    ".onnx or .ort file, of a SavedModel, or of a .json file that describes another's network.",
)
_EXPOSURE = flags.DEFINE_float(
    "exposure",
    0.0,
    "Stops (EV) by which results are brighter, or darker if negative, than the network's choice.",
    lower_bound=-_MOST_STOPS,
    upper_bound=_MOST_STOPS,
)
_BRIGHTNESS = flags.DEFINE_float(
    "brightness",
    None,
    "Mean brightness (luma) of the results, from 0 to 1, instead of the network's choice.",
    lower_bound=DARKEST,
    upper_bound=BRIGHTEST,
)
_BRACKET = flags.DEFINE_list(
    "bracket",
    [],
    "Several results of each file, one for each exposure: -1,0,1 makes <name>_-1ev, <name>_+0ev "
    "and <name>_+1ev.",
)
_STEADY = flags.DEFINE_boolean(
    "steady",
    False,
    "Give all photos the same brightness, the median of what the network would choose: for time "
    "lapses and series.",
)
_FORMAT = flags.DEFINE_enum(
    "format",
    "keep",
    ["keep", *(entry.suffixes[0].removeprefix(".") for entry in FORMATS if entry.encode)],
    "File format of the results; photos that are only read (HEIC, RAW) become JPEG and PNG.",
)
_QUALITY = flags.DEFINE_integer(
    "quality", _DEFAULTS.quality, "Quality of JPEG, WebP and AVIF.", lower_bound=1, upper_bound=100
)
_COMPARE = flags.DEFINE_boolean(
    "compare", _DEFAULTS.compare, "Also write <name>_compare: before | after."
)
_STAGES = flags.DEFINE_boolean(
    "stages",
    _DEFAULTS.stages,
    "Also write <name>_compare: before | degradation | base | after, if the model outputs these "
    "(.keras and SavedModel).",
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace existing results.")
_TILE = flags.DEFINE_integer(
    "tile",
    _TILING.tile,
    "Side of the tiles of large photos in pixels, a multiple of 4. Smaller ones need less memory.",
    lower_bound=128,
    upper_bound=4096,
)
_THREADS = flags.DEFINE_integer(
    "threads",
    None,
    "Number of compute threads. Default: all cores.",
    lower_bound=1,
    upper_bound=512,
)
_MAX_MEGAPIXELS = flags.DEFINE_integer(
    "max_megapixels",
    MAX_MEGAPIXELS,
    "Larger photos, and videos of larger frames, are refused before they are decoded.",
    lower_bound=1,
    upper_bound=10000,
)
_KEEP_READABLE = flags.DEFINE_boolean(
    "keep_readable",
    _DEFAULTS.keep_readable,
    "Enhance damaged videos up to the damage. By default they are refused.",
)
_VIDEO_CODEC = flags.DEFINE_enum(
    "video_codec",
    _DEFAULTS.video.codec,
    CODECS,
    "Codec of videos; auto is HEVC for more than 8 bits and H.264 otherwise. Needs PyAV.",
)
_VIDEO_QUALITY = flags.DEFINE_integer(
    "video_quality",
    _DEFAULTS.video.quality,
    "Quality of videos as constant rate factor (CRF); lower is better and larger. Needs PyAV.",
    lower_bound=0,
    upper_bound=51,
)


def output_dir() -> pathlib.Path:
    """Returns the folder of the results."""
    return pathlib.Path(_OUTPUT_DIR.value)


def model() -> str:
    """Returns the name or path of the network."""
    return _MODEL.value


def threads() -> int | None:
    """Returns the number of compute threads, or None for all cores."""
    return _THREADS.value


def exposures() -> list[float]:
    """Returns the exposure of each result of a file.

    Raises:
      UserError: the flags do not go together, or are no numbers.
    """
    asked = [flag for flag in (_BRIGHTNESS, _STEADY) if flag.value]
    if len(asked) > 1:
        raise UserError("--brightness and --steady each set a brightness; leave one out.")
    if not _BRACKET.value:
        return [_EXPOSURE.value]
    if _EXPOSURE.value:
        raise UserError("--exposure and --bracket each set the exposure; leave one out.")
    try:
        stops = [float(text) for text in _BRACKET.value]
    except ValueError as error:
        raise UserError(f"--bracket: {error}; give numbers, such as -1,0,1.") from error
    if not all(abs(step) <= _MOST_STOPS for step in stops) or len(set(stops)) < len(stops):
        raise UserError(
            f"--bracket: give different numbers from {-_MOST_STOPS:g} to {_MOST_STOPS:g}."
        )
    return stops


def steady() -> bool:
    """Returns whether all photos get one brightness."""
    return _STEADY.value


def ending() -> str | None:
    """Returns the suffix of the results, or None to keep that of each photo."""
    return None if _FORMAT.value == "keep" else f".{_FORMAT.value}"


def overwrite() -> bool:
    """Returns whether existing results are replaced."""
    return _OVERWRITE.value


def output_options() -> OutputOptions:
    """Returns the options of the written files."""
    return OutputOptions(
        quality=_QUALITY.value,
        compare=_COMPARE.value,
        stages=_STAGES.value,
        max_megapixels=_MAX_MEGAPIXELS.value,
        keep_readable=_KEEP_READABLE.value,
        video=VideoOptions(_VIDEO_CODEC.value, _VIDEO_QUALITY.value),
        brightness=_BRIGHTNESS.value,
    )


def tiling() -> Tiling:
    """Returns how large photos are cut; UserError if the tile is unusable."""
    with user_errors():
        return Tiling(tile=_TILE.value)
