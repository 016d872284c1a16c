"""Flags of the photos and of the samples drawn from them."""

import pathlib
from collections.abc import Callable
from typing import Any

from absl import flags

from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.data.sample import NAME as SAMPLE
from drgn_tf.flags.flagfiles import resolve

_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    "",
    "Folder of training pairs: low/ and high/ with photos of equal stems (JPEG, PNG, BMP or "
    f"WebP, 8 or 16 bits). '{SAMPLE}' is a built-in set of free photos, nothing is downloaded.",
)
_TRAIN_PAIRS = flags.DEFINE_string(
    "train_pairs",
    "",
    "Subfolder of --data_dir with the training pairs. Default: --data_dir itself.",
)
_TEST_PAIRS = flags.DEFINE_string(
    "test_pairs",
    "",
    "Subfolder of --data_dir with test pairs, measured once after training. Default: none.",
)
_NORMAL_DIR = flags.DEFINE_string(
    "normal_dir",
    "",
    "Folder of normal-light photos for synthetic pairs. Default: the high photos of the pairs. "
    "Without --data_dir, the run trains on these photos alone.",
)
_EXTRA_DATA = flags.DEFINE_list(
    "extra_data",
    [],
    "Further sources, KIND:FOLDER:SHARE,...: KIND is pairs (a folder with low/ and high/) or "
    "normal (photos that are darkened), SHARE its share of the samples. The photos of the other "
    "flags make the remaining samples.",
)
_EXTRA_VAL_FRACTION = flags.DEFINE_float(
    "extra_val_fraction",
    DataOptions.extra_val_fraction,
    "Share of each extra source held out for validation, chosen by a hash of each stem.",
    lower_bound=0.0,
    upper_bound=0.9,
)
_VAL_LIST = flags.DEFINE_string(
    "val_list",
    "",
    "Text file of stems held out for validation, one a line. Default: see --val_fraction.",
)
_VAL_FRACTION = flags.DEFINE_float(
    "val_fraction",
    DataOptions.val_fraction,
    "Share of the photos held out for validation, chosen by a hash of each stem.",
    lower_bound=0.0,
    upper_bound=0.9,
)
_SKIP_BAD_IMAGES = flags.DEFINE_boolean(
    "skip_bad_images",
    False,
    "Leave out unusable photos, list them, and train on the rest.",
)
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir",
    "",
    "Folder for the decoded photos, 3 bytes a pixel (6 with 16 bits), shared by this and later "
    "runs; photos are then read from disk and need not fit into memory. May be deleted while no "
    "training uses it. Default: in memory.",
)

_PHOTOMETRIC = PhotometricOptions()


def _range_flag(name: str, help_text: str) -> flags.FlagHolder[list[str]]:
    default = [f"{value:g}" for value in getattr(_PHOTOMETRIC, name)]
    return flags.DEFINE_list(f"photometric_{name}", default, help_text)


def _share_flag(name: str, help_text: str, highest: float = 1.0) -> flags.FlagHolder[float]:
    return flags.DEFINE_float(
        f"photometric_{name}",
        getattr(_PHOTOMETRIC, name),
        help_text,
        lower_bound=0.0,
        upper_bound=highest,
    )


_RANGES = (
    _range_flag("gamma", "Lowest,highest exponent that darkens the sRGB values of a photo."),
    _range_flag("gain", "Lowest,highest factor on the sRGB values after that."),
    _range_flag(
        "photons", "Fewest,most photons that saturate a pixel; fewer photons make more noise."
    ),
    _range_flag(
        "read_noise", "Lowest,highest read noise (standard deviation) in units of saturation."
    ),
    _range_flag(
        "local_stops", "Lowest,highest stops (EV) by which --photometric_local lowers dark parts."
    ),
    _range_flag(
        "local_lift",
        "Lowest,highest stops (EV) by which those parts are first brightened in the photo itself.",
    ),
    _range_flag(
        "local_quantile",
        "Lowest,highest share of a photo's pixels that count as dark parts.",
    ),
    _range_flag(
        "noise_size",
        "Lowest,highest standard deviation in pixels of the Gaussian that correlates the noise of "
        "neighbours. Colour noise is up to three times as coarse.",
    ),
    _range_flag("chroma_noise", "Lowest,highest factor on colour noise."),
    _range_flag("jpeg_quality", "Lowest,highest JPEG quality."),
    _range_flag("resize_scale", "Lowest,highest original size of resized photos, as a factor."),
)
_SHARES = (
    _share_flag(
        "cast",
        "Largest logarithm of a colour channel's factor in linear light; 0.1 is about 10 %.",
    ),
    _share_flag(
        "colour",
        "Largest natural logarithm by which each colour channel of the photo itself is lowered "
        "before it is darkened; 0.7 is down to a half.",
    ),
    _share_flag(
        "well_lit",
        "Share of these samples that are recoloured but not darkened, to teach the network to keep "
        "photos that are not dark.",
    ),
    _share_flag(
        "local",
        "Share of the darkened samples whose dark parts are darkened further while bright parts "
        "stay, as in backlit photos.",
    ),
    _share_flag("jpeg", "Share of samples that are JPEG-compressed."),
    _share_flag("resize", "Share of samples that are resized, and partly compressed again."),
)


def _is_folder_or(*words: str) -> Callable[[str], bool]:
    return lambda value: value in words or pathlib.Path(value).is_dir()


def _is_range(value: list[str]) -> bool:
    try:
        return len([float(number) for number in value]) == 2
    except ValueError:
        return False


flags.register_validator(
    _DATA_DIR, _is_folder_or("", SAMPLE), f"no such folder (or '{SAMPLE}' for the built-in set)."
)
flags.register_validator(_NORMAL_DIR, _is_folder_or(""), "no such folder.")
flags.register_validator(
    _VAL_LIST, lambda value: not value or pathlib.Path(resolve(value)).is_file(), "no such file."
)
for _flag in _RANGES:
    flags.register_validator(_flag, _is_range, "two numbers are needed: lowest,highest.")


def data_options() -> DataOptions:
    """Returns the locations of the photos."""
    return DataOptions(
        data_dir=_DATA_DIR.value,
        train_pairs=_TRAIN_PAIRS.value,
        test_pairs=_TEST_PAIRS.value,
        normal_dir=_NORMAL_DIR.value,
        extra_data=tuple(_EXTRA_DATA.value),
        extra_val_fraction=_EXTRA_VAL_FRACTION.value,
        val_list=resolve(_VAL_LIST.value) if _VAL_LIST.value else "",
        val_fraction=_VAL_FRACTION.value,
        cache_dir=_CACHE_DIR.value,
    )


def photometric_options() -> PhotometricOptions:
    """Returns the ranges of the photometric synthesis."""
    values: dict[str, Any] = {flag.name: flag.value for flag in _SHARES}
    values.update({flag.name: tuple(float(x) for x in flag.value) for flag in _RANGES})
    return PhotometricOptions(
        **{name.removeprefix("photometric_"): value for name, value in values.items()}
    )


def skip_bad_images() -> bool:
    """Returns whether unusable photos are left out."""
    return _SKIP_BAD_IMAGES.value
