"""Pictures of results for people."""

from __future__ import annotations

import pathlib

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot

_COLUMNS = ("low", "degradation", "base", "enhanced", "truth")


def save_rows(pictures: list[np.ndarray], path: pathlib.Path) -> None:
    """Writes rows low | degradation | base | enhanced | truth, with headings, as one image.

    Args:
      pictures: uint8 [H, 5 W, 3] each, as `drgn_tf.training.validation` makes them.
      path: its ending chooses the format.
    """
    heights = [picture.shape[0] / picture.shape[1] for picture in pictures]
    width = 15.0
    figure, axes = pyplot.subplots(
        len(pictures),
        1,
        figsize=(width, width * sum(heights) + 0.4),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axis, picture in zip(axes[:, 0], pictures):
        axis.imshow(picture)
        axis.axis("off")
    columns = len(_COLUMNS)
    for index, name in enumerate(_COLUMNS):
        axes[0, 0].text(
            (index + 0.5) / columns, 1.02, name, transform=axes[0, 0].transAxes, ha="center"
        )
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
