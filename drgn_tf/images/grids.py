"""Pictures that show several images beside each other."""

from __future__ import annotations

import pathlib
import warnings
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from drgn_tf.images.photos import to_uint8

# Pixels on the long side of an image in a grid; larger ones are scaled down.
_LARGEST = 480


def side_by_side(images: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Returns images of one size as one.

    Args:
      images: [H, W, 3] each, uint8 or float32.
      width: in pixels; wider images are scaled down to it.
    """
    height, full_width = images[0].shape[:2]
    if full_width > width:
        size = (width, max(1, round(height * width / full_width)))
        images = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return np.concatenate(images, axis=1)


def save_grid(
    rows: Sequence[Sequence[tuple[str, np.ndarray]]], path: pathlib.Path, font_size: float = 10
) -> None:
    """Writes rows of images, each below its title, as one PNG of 1200 pixels in width.

    Args:
      rows: title and image [H, W, 3], uint8 or uint16; rows may differ in length.
      path: of the PNG.
      font_size: of the titles, in points.
    """
    # Here, because it takes a second to import, and reading photos must not wait for it.
    from matplotlib.figure import Figure

    width = 12.0
    columns = max(len(row) for row in rows)
    heights = [row[0][1].shape[0] / row[0][1].shape[1] * width / columns for row in rows]
    figure = Figure(figsize=(width, sum(heights) + 0.5 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, height_ratios=heights, squeeze=False)
    for axes, row in zip(grid, rows):
        for axis in axes:
            axis.axis("off")
        for axis, (title, image) in zip(axes, row):
            picture = Image.fromarray(to_uint8(image))
            picture.thumbnail((_LARGEST, _LARGEST))
            axis.imshow(picture)
            axis.set_title(title, fontsize=font_size, parse_math=False)
    with warnings.catch_warnings():
        # Characters that matplotlib's font lacks are shown as boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(path, dpi=100)
