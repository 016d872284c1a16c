"""Draws the pictures of docs/gallery.md and of the README with the shipped networks.

python -m benchmarks.draw_gallery

docs/pictures/gallery/<photo>.jpg -> <photo>_results.jpg: the photo, mobile's and base's automatic
results; docs/pictures/bracket.jpg: photos, and mobile a stop darker than automatic, automatic, and
a stop brighter.
"""

from __future__ import annotations

import pathlib

import numpy as np
from absl import flags
from PIL import Image

import drgn_tf
from benchmarks.report import run
from drgn_tf.files import atomic_path
from drgn_tf.images.grids import side_by_side
from drgn_tf.images.photos import read_photo

_PICTURES = pathlib.Path(__file__).parents[1] / "docs" / "pictures"
_BRACKETED = flags.DEFINE_list(
    "bracketed", ["dandelions", "forest_path"], "Photos of bracket.jpg, from top to bottom."
)

_WIDTH = 1200
_RESULTS = "_results"


def _save(rows: list[list[np.ndarray]], path: pathlib.Path) -> None:
    picture = np.concatenate([side_by_side(row, _WIDTH // len(row)) for row in rows])
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, "JPEG", quality=85)
    print(f"wrote {path}")


def _draw() -> None:
    mobile, base = (drgn_tf.load(name) for name in ("mobile", "base"))
    folder = _PICTURES / "gallery"
    brackets = []
    for name in _BRACKETED.value:
        photo = read_photo(folder / f"{name}.jpg")
        brackets.append([photo, *(mobile(photo, exposure=exposure) for exposure in (-1, 0, 1))])
    _save(brackets, _PICTURES / "bracket.jpg")
    for path in sorted(folder.glob("*.jpg")):
        if not path.stem.endswith(_RESULTS):
            photo = read_photo(path)
            _save([[photo, mobile(photo), base(photo)]], path.with_stem(path.stem + _RESULTS))


if __name__ == "__main__":
    run(_draw)
