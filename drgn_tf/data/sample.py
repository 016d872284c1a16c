"""The built-in sample set: free photos contained in installed packages, without a download.

Three photos of scikit-image train: the astronaut and the rocket (public domain, NASA
and SpaceX), the cup of coffee (CC0, Rachel Michetti). Two are held out: the cat
Chelsea (CC0, Stefan van der Walt) and matplotlib's portrait of Grace Hopper (public
domain, United States Navy). They are normal-light photos: the photometric synthesis
makes low-light pairs of them.
"""

from __future__ import annotations

import importlib.util
import pathlib

from drgn_tf.errors import UserError

# The name of this set in place of a data folder.
NAME = "sample"
_TRAINING = (("skimage", "data", "astronaut.png"), ("skimage", "data", "coffee.png"),
             ("skimage", "data", "rocket.jpg"))  # fmt: skip
_HELD_OUT = (("skimage", "data", "chelsea.png"),
             ("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg"))  # fmt: skip


def _locate(package: str, *parts: str) -> pathlib.Path:
    # Located without importing, because both packages import much that is not needed.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the sample photos need {package}; pip install 'drgn-tf[train]' adds it.")
    path = pathlib.Path(spec.submodule_search_locations[0], *parts)
    if not path.is_file():
        raise UserError(f"{path}: the installed {package} lacks this photo; reinstall it.")
    return path


def training_photos() -> list[pathlib.Path]:
    """Returns the training photos of the sample set."""
    return [_locate(*parts) for parts in _TRAINING]


def held_out_photos() -> list[pathlib.Path]:
    """Returns the held-out photos of the sample set."""
    return [_locate(*parts) for parts in _HELD_OUT]
