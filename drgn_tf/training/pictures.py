"""Pictures of results for people."""

from __future__ import annotations

import pathlib

import numpy as np

from drgn_tf.images.grids import save_grid

_COLUMNS = ("low", "degradation", "base", "enhanced", "reference")


def save_rows(pictures: list[np.ndarray], path: pathlib.Path) -> None:
    """Writes rows low | degradation | base | enhanced | reference, with titles, as one PNG.

    Args:
      pictures: uint8 [H, 5 W, 3] each, as `drgn_tf.training.validation` makes them.
      path: of the PNG.
    """
    columns = len(_COLUMNS)
    save_grid([list(zip(_COLUMNS, np.split(x, columns, axis=1))) for x in pictures], path)
