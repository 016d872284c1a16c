"""Known results: what artefacts must give on another machine, in the folder golden/ of an export.

    image.png, image.bin         a low-light photo, to look at and as uint8 [H, W, 3]
    thumbnail.bin                its thumbnail, float32 [T, T, 3], little-endian
    <precision>_<case>.bin       the enhanced photo, uint8 [H, W, 3], of each precision
    golden.json                  sizes, the brightness of each case, the precision of each file, and
                                 the PSNR to the known result that a file must reach
    check.py, check.mjs, check.kt    programs that check a file

The photo is a whole one, so that files of each flavour give the same. Cases are "automatic", and
for networks that take a brightness "brighter", a stop (EV) above it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from drgn_tf.brightness import AUTOMATIC, expose
from drgn_tf.inference import Driver, photo_thumbnail
from drgn_tf.inference.keras_driver import KerasDriver

FOLDER = "golden"
CHECKS = ("check.py", "check.mjs", "check.kt")
_CHECKS = pathlib.Path(__file__).parent / "golden_checks"
# One level of difference in every value is 48 dB: GPUs compute in half precision and may reach
# that. CPUs round 8-bit sums in different ways.
_LEAST_DB = {"float32": 45.0, "float16": 45.0}
_LEAST_DB_QUANTISED = 40.0


def write_golden(
    folder: pathlib.Path,
    reference: KerasDriver,
    artefacts: Sequence[tuple[pathlib.PurePosixPath, str, Driver]],
    photo: np.ndarray,
    size: tuple[int, int],
) -> None:
    """Writes the files of golden/.

    Args:
      folder: to create.
      reference: the network, which gives the results of "float32".
      artefacts: path in the export, precision and driver of each. Those of another fixed size than
        `size` are left out.
      photo: a low-light photo, uint8 [H, W, 3]; repeated if it is smaller than `size`.
      size: height and width of the photo in pixels.
    """
    folder.mkdir()
    photo = np.tile(photo, (-(-size[0] // len(photo)), -(-size[1] // photo.shape[1]), 1))
    photo = np.ascontiguousarray(photo[: size[0], : size[1]])
    thumbnail = photo_thumbnail(photo, reference.model.options.thumbnail_size)
    cases = {"automatic": AUTOMATIC}
    if reference.takes_brightness:
        cases["brighter"] = expose(reference.predicted_brightness(thumbnail), 1.0)
    fitting = [artefact for artefact in artefacts if artefact[2].size in (None, size)]
    givers: dict[str, Driver] = {"float32": reference}
    # Best are those that can be told a brightness.
    for _, precision, driver in sorted(fitting, key=lambda one: not one[2].takes_brightness):
        givers.setdefault(precision, driver)
    for precision, driver in givers.items():
        for case, brightness in cases.items():
            levels = _enhanced(driver, photo, thumbnail, brightness)
            (folder / f"{precision}_{case}.bin").write_bytes(levels.tobytes())
    Image.fromarray(photo).save(folder / "image.png")
    (folder / "image.bin").write_bytes(photo.tobytes())
    (folder / "thumbnail.bin").write_bytes(thumbnail.astype("<f4").tobytes())
    facts = {
        "height": size[0],
        "width": size[1],
        "thumbnail_size": thumbnail.shape[1],
        "brightness": cases,
        "files": {str(path): precision for path, precision, _ in fitting},
        "least_db": {name: _LEAST_DB.get(name, _LEAST_DB_QUANTISED) for name in givers},
    }
    (folder / "golden.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for check in CHECKS:
        (folder / check).write_bytes((_CHECKS / check).read_bytes())


def _enhanced(
    driver: Driver, photo: np.ndarray, thumbnail: np.ndarray, brightness: float
) -> np.ndarray:
    image = photo[np.newaxis] / np.float32(255)
    asked = np.full((1, 1), brightness, np.float32)
    given = None if driver.thumbnail_size is None else thumbnail
    return np.round(255 * driver.run(image, given, asked)["enhanced"][0]).astype(np.uint8)
