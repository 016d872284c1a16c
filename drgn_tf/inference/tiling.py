"""Photos of any size in bounded memory: overlapping tiles, blended.

All that the network needs from the whole photo is in its thumbnail, which every tile
gets; the rest of the network is local. So tiles agree in brightness and need only
enough surroundings. The remaining difference (the network treats a tile's edge as the
edge of the photo) fades out over `margin` pixels, which are discarded, and `feather`
more pixels are blended.

    |<------------ tile ------------>|
                    |<------------ tile ------------>|
                    margin|feather|margin

The photo is processed in rows of tiles; besides the photo and its result, only one row of
tiles is in memory. Tiles begin at multiples of 4, the factor of the network's coarsest grid,
so that each pixel has the same position on every grid as in the whole photo.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from drgn_tf.files import ModelFileError
from drgn_tf.images.photos import to_float
from drgn_tf.inference.driver import Driver
from drgn_tf.models.options import GRID_FACTOR

# Side of the tiles of artefacts that take any size, in pixels.
TILE = 1024
# Photos up to this many pixels are run whole where the artefact takes any size.
WHOLE = TILE * TILE * 3 // 2
# Artefacts without a thumbnail input run photos whole, up to this many pixels.
_LARGEST_WHOLE = 32 * 2**20


@dataclasses.dataclass(frozen=True)
class Span:
    """One tile's extent along one axis, in pixels.

    Attributes:
      start: first pixel.
      stop: one past the last.
      weights: float32 [stop - start], its weight in the result at each pixel; the weights of
        all spans add up to 1 everywhere.
    """

    start: int
    stop: int
    weights: np.ndarray


def spans(length: int, tile: int, margin: int, feather: int) -> list[Span]:
    """Covers an axis with tiles that overlap by at least 2 * margin + feather.

    Args:
      length: of the axis in pixels.
      tile: side of a tile in pixels.
      margin: pixels at an inner edge of a tile that are discarded.
      feather: pixels over which two tiles are blended.

    Raises:
      ValueError: the tile is too small for its margins.
    """
    if length <= tile:
        return [Span(0, length, np.ones(length, np.float32))]
    overlap = 2 * margin + feather
    step = _step(tile, overlap)
    count = -(-(length - overlap) // step)
    # Evenly spread; the step is small enough for rounding down to the grid.
    last = -(-(length - tile) // GRID_FACTOR) * GRID_FACTOR
    starts = [last * i // (count - 1) // GRID_FACTOR * GRID_FACTOR for i in range(count)]
    stops = [min(start + tile, length) for start in starts]
    positions = np.arange(length, dtype=np.float32) + 0.5
    shares = np.ones((count, length), np.float32)
    for i in range(count - 1):
        middle = (starts[i + 1] + stops[i]) / 2
        after = np.clip((positions - middle) / max(feather, 1e-3) + 0.5, 0.0, 1.0)
        shares[i] *= 1.0 - after
        shares[i + 1] *= after
    # More than two tiles share a pixel where they lie closer than the feather is wide.
    shares /= shares.sum(axis=0)
    return [Span(a, b, share[a:b]) for a, b, share in zip(starts, stops, shares)]


def _step(tile: int, overlap: int) -> int:
    """Returns how far apart tiles begin at the most."""
    step = tile - overlap - GRID_FACTOR
    if step < 1:
        raise ValueError(
            f"tiles of {tile} pixels are too small for margins and a feather of {overlap} "
            f"together; they need more than {overlap + GRID_FACTOR}."
        )
    return step


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How photos are cut into tiles.

    Attributes:
      tile: side of the tiles in pixels, a multiple of 4. Artefacts of a fixed size use that size.
      margin: see the module.
      feather: see the module.
    """

    tile: int = TILE
    margin: int = 32
    feather: int = 16

    def __post_init__(self) -> None:
        if self.tile % GRID_FACTOR or self.tile < 1:
            raise ValueError(f"tile must be a positive multiple of 4, not {self.tile}.")
        if self.margin < 0 or self.feather < 0:
            raise ValueError("margin and feather must not be negative.")
        _step(self.tile, 2 * self.margin + self.feather)


def grid(driver: Driver, height: int, width: int, tiling: Tiling) -> tuple[list[Span], list[Span]]:
    """Returns the rows and the columns of tiles of a photo.

    Raises:
      ModelFileError: the artefact takes no thumbnail, and cannot take the photo whole.
    """
    if driver.thumbnail_size is None and not driver.tileable:
        if driver.size is not None and driver.size != (height, width):
            raise ModelFileError(
                f"{driver.path}: takes only photos of {driver.size[1]}x{driver.size[0]}, and this "
                f"is {width}x{height}; give a 'tiled' file, which takes a thumbnail too."
            )
        if height * width > _LARGEST_WHOLE:
            raise ModelFileError(
                f"{driver.path}: takes photos as a whole only, and {width}x{height} is too large "
                "for that; give a 'tiled' file, which takes a thumbnail too."
            )
        return spans(height, height, 0, 0), spans(width, width, 0, 0)
    if driver.size is not None:
        # Small tiles get smaller margins, so that most of the tile is used.
        room = min(driver.size) // 8
        margin, feather = min(tiling.margin, room), min(tiling.feather, room)
        return (
            spans(height, driver.size[0], margin, feather),
            spans(width, driver.size[1], margin, feather),
        )
    if height * width <= WHOLE and tiling.tile >= TILE:
        return spans(height, height, 0, 0), spans(width, width, 0, 0)
    return (
        spans(height, tiling.tile, tiling.margin, tiling.feather),
        spans(width, tiling.tile, tiling.margin, tiling.feather),
    )


def run_tiled(
    driver: Driver,
    pixels: np.ndarray,
    thumbnail: np.ndarray | None,
    converters: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    tiling: Tiling = Tiling(),
    on_tile: Callable[[], object] = lambda: None,
    brightness: float | None = None,
) -> dict[str, np.ndarray]:
    """Runs an artefact over a photo of any size.

    Args:
      driver: the artefact.
      pixels: [H, W, 3], uint8, uint16, or float32 in [0, 1].
      thumbnail: float32 [1, T, T, 3] of the photo, or None if the artefact takes none.
      converters: for each wanted image, a function from float32 rows [h, W, 3] to the final dtype.
      tiling: how the photo is cut.
      on_tile: called after each tile.
      brightness: mean luma that the whole result should have, the same for all tiles; by default
        automatic.

    Returns:
      [H, W, 3] for each name in `converters`.

    Raises:
      ModelFileError: see `grid`.
    """
    height, width = pixels.shape[:2]
    rows, columns = grid(driver, height, width, tiling)

    def run(image: np.ndarray) -> dict[str, np.ndarray]:
        if brightness is None:
            return driver.run(image, thumbnail)
        return driver.run(image, thumbnail, np.full((1, 1), brightness, np.float32))

    results = {
        name: np.empty(pixels.shape, converter(np.zeros((1, 1, 3), np.float32)).dtype)
        for name, converter in converters.items()
    }
    carried: dict[str, np.ndarray] = {}
    for row, following in zip(rows, [*rows[1:], None]):
        finished = row.stop if following is None else following.start
        strips = _row_of_tiles(driver, run, pixels, row, columns, list(converters), on_tile)
        for name, strip in strips.items():
            # Rows shared with the tiles above.
            above = carried.get(name)
            if above is not None:
                strip[: len(above)] += above
            results[name][row.start : finished] = converters[name](strip[: finished - row.start])
            carried[name] = strip[finished - row.start :]
    return results


def _row_of_tiles(
    driver: Driver,
    run: Callable[[np.ndarray], dict[str, np.ndarray]],
    pixels: np.ndarray,
    row: Span,
    columns: list[Span],
    names: list[str],
    on_tile: Callable[[], object],
) -> dict[str, np.ndarray]:
    width = pixels.shape[1]
    strips = {name: np.zeros((row.stop - row.start, width, 3), np.float32) for name in names}
    for column in columns:
        tile = pixels[row.start : row.stop, column.start : column.stop]
        height, across = tile.shape[:2]
        image = to_float(tile) if np.issubdtype(tile.dtype, np.integer) else tile
        if driver.size is not None:
            # As the network pads: the edge is repeated.
            missing = [(0, driver.size[0] - height), (0, driver.size[1] - across), (0, 0)]
            image = np.pad(image, missing, mode="edge")
        images = run(image[np.newaxis])
        shares = row.weights[:, np.newaxis, np.newaxis] * column.weights[:, np.newaxis]
        for name, strip in strips.items():
            strip[:, column.start : column.stop] += images[name][0, :height, :across] * shares
        on_tile()
    return strips


def tile_count(driver: Driver, height: int, width: int, tiling: Tiling = Tiling()) -> int:
    """Returns the number of tiles of a photo; raises the errors of `grid`."""
    rows, columns = grid(driver, height, width, tiling)
    return len(rows) * len(columns)
