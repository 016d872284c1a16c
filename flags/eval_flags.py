"""Flags of the evaluation: task, photos and output."""

import pathlib

from absl import flags

from drgn_tf import weights
from drgn_tf.errors import UserError
from drgn_tf.evaluation import baselines as classical
from drgn_tf.evaluation import columns
from drgn_tf.evaluation.methods import Method

TASKS = ("pairs", "detection")

_MODELS = flags.DEFINE_multi_string(
    "model",
    [weights.DEFAULT],
    f"Trained network: {' or '.join(weights.names())} (shipped), or the path of a .keras, .tflite, "
    ".onnx or .ort file, of a SavedModel, or of the description of somebody else's network "
    "(.json). Repeat it to compare several.",
)
_BASELINES = flags.DEFINE_list(
    "baselines",
    list(classical.BASELINES),
    f"Methods without a network that are measured beside: {', '.join(classical.BASELINES)}; empty "
    "for none.",
)
_METRICS = flags.DEFINE_list(
    "metrics",
    list(columns.FAST),
    f"Metrics of pairs, in this order: {', '.join(columns.SIMILARITY)}; or all. ciede2000 and flip "
    "need pip install 'drgn-tf[eval]', and 1 to 3 s per megapixel and row.",
)
_TASK = flags.DEFINE_enum(
    "task",
    "pairs",
    TASKS,
    "Similarity to references (pairs), or detection before and after enhancement (detection).",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    "",
    "Folder of pairs: low/ and high/ with photos of equal stems. With --task=detection, the folder "
    "of the photos.",
)
_UNPAIRED = flags.DEFINE_string(
    "unpaired", "", "Folder of low-light photos without references, for NIQE."
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder of the results: JSON, CSV, images.", required=True
)
_SAVE_IMAGES = flags.DEFINE_boolean(
    "save_images", False, "Also write the enhanced photos, as PNG, to enhanced/."
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replace the results of an earlier evaluation in --output_dir."
)
_ANNOTATIONS = flags.DEFINE_string(
    "annotations",
    "",
    "Boxes for --task=detection: a COCO JSON file, or a folder of ExDark's text files.",
)
_DETECTOR = flags.DEFINE_string(
    "detector", "", "Detector for --task=detection: a .tflite or .onnx file."
)
_DETECTOR_LAYOUT = flags.DEFINE_string(
    "detector_layout", "", "JSON file that describes the detector's inputs and outputs."
)


def check() -> None:
    """Raises UserError if the flags do not go together."""
    baselines()
    if not _METRICS.value:
        raise UserError(f"--metrics: none given; choose from {', '.join(columns.SIMILARITY)}.")
    for_detection = (_DATA_DIR, _ANNOTATIONS, _DETECTOR, _DETECTOR_LAYOUT)
    if _TASK.value == "detection":
        missing = [flag.name for flag in for_detection if not flag.value]
        if missing:
            raise UserError(f"--task=detection needs --{missing[0]}.")
        if _UNPAIRED.value:
            raise UserError("--unpaired does not apply to --task=detection; leave it out.")
        return
    for flag in for_detection[1:]:
        if flag.value:
            raise UserError(f"--{flag.name} is for --task=detection; add it or leave this out.")
    if not _DATA_DIR.value and not _UNPAIRED.value:
        raise UserError(
            "no photos: give --data_dir (a folder with low/ and high/) or --unpaired (a folder)."
        )


def models() -> list[str]:
    """Returns the names or paths of the networks."""
    return _MODELS.value


def baselines() -> list[Method]:
    """Returns the methods without a network; UserError if there is no such method."""
    return classical.chosen(_BASELINES.value)


def metrics() -> list[str]:
    """Returns the metrics of pairs, names of `columns.SIMILARITY` once `columns.check` passes."""
    if _METRICS.value == ["all"]:
        return list(columns.SIMILARITY)
    return list(dict.fromkeys(_METRICS.value))


def task() -> str:
    """Returns one of `TASKS`."""
    return _TASK.value


def data_dir() -> pathlib.Path | None:
    """Returns the folder of pairs, or None."""
    return pathlib.Path(_DATA_DIR.value) if _DATA_DIR.value else None


def photos_dir() -> pathlib.Path:
    """Returns the folder of photos with boxes, of the task detection."""
    return pathlib.Path(_DATA_DIR.value)


def unpaired() -> pathlib.Path | None:
    """Returns the folder of photos without references, or None."""
    return pathlib.Path(_UNPAIRED.value) if _UNPAIRED.value else None


def output_dir() -> pathlib.Path:
    """Returns the folder of the results."""
    return pathlib.Path(_OUTPUT_DIR.value)


def save_images() -> bool:
    """Returns whether the enhanced photos are saved."""
    return _SAVE_IMAGES.value


def overwrite() -> bool:
    """Returns whether existing results are replaced."""
    return _OVERWRITE.value


def annotations() -> str:
    """Returns the path of the ground-truth boxes."""
    return _ANNOTATIONS.value


def detector() -> tuple[str, str]:
    """Returns the paths of the detector and of its layout."""
    return _DETECTOR.value, _DETECTOR_LAYOUT.value
