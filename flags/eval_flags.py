"""Flags of the evaluation: task, photos and output."""

import pathlib

from absl import flags

from drgn_tf import weights
from drgn_tf.errors import UserError

TASKS = ("pairs", "detection")

_MODEL = flags.DEFINE_string(
    "model",
    weights.DEFAULT,
    f"Trained network: {' or '.join(weights.names())} (shipped), or the path of a .keras, .tflite, "
    ".onnx or .ort file or of a SavedModel.",
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


def model() -> str:
    """Returns the name or path of the network."""
    return _MODEL.value


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
