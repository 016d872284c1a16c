"""Grids that show several images side by side."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drgn_tf.images.photos import to_uint8

# Of a grid, and around each of its images, in pixels.
_GRID_WIDTH = 1200
_MARGIN = 6


def side_by_side(images: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Returns images of one size side by side in one image.

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
    rows: Sequence[Sequence[tuple[str, np.ndarray]]], path: pathlib.Path, font_size: int = 14
) -> None:
    """Writes rows of images, each below its title, as one PNG of 1200 pixels in width.

    Args:
      rows: title and image [H, W, 3], uint8 or uint16; rows may differ in length.
      path: of the PNG.
      font_size: of the titles, in pixels. Characters that the font lacks are shown as boxes.
    """
    width = _GRID_WIDTH // max(len(row) for row in rows)
    font = ImageFont.load_default(font_size)
    # Its fixed bitmap font is for those who give no size.
    assert isinstance(font, ImageFont.FreeTypeFont)
    strips = [[_titled(title, image, width, font) for title, image in row] for row in rows]
    heights = [max(cell.height for cell in strip) for strip in strips]
    grid = Image.new("RGB", (_GRID_WIDTH, sum(heights)), "white")
    top = 0
    for strip, height in zip(strips, heights):
        for column, cell in enumerate(strip):
            # The images of a row end at the same height, below titles of one or more lines.
            grid.paste(cell, (column * width, top + height - cell.height))
        top += height
    grid.save(path)


def _titled(title: str, image: np.ndarray, width: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    picture = Image.fromarray(to_uint8(image))
    inner = width - 2 * _MARGIN
    height = max(1, round(picture.height * inner / picture.width))
    # Averages where it gets smaller, whole pixels where it gets larger.
    picture = picture.resize((inner, height), Image.Resampling.BOX)
    characters = max(1, int(inner / font.getlength("n")))
    lines = [part for line in title.splitlines() for part in textwrap.wrap(line, characters)]
    above = sum(font.getmetrics()) * len(lines) + 2 * _MARGIN
    cell = Image.new("RGB", (width, above + height + _MARGIN), "white")
    for number, line in enumerate(lines):
        place = (width / 2, _MARGIN + number * sum(font.getmetrics()))
        ImageDraw.Draw(cell).text(place, line, "black", font, anchor="ma")
    cell.paste(picture, (_MARGIN, above))
    return cell
