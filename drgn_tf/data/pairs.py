"""Folders of pairs: low/ and high/, matched by the stems of the file names."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence

from drgn_tf.errors import UserError
from drgn_tf.files import read_text
from drgn_tf.images.photos import list_photos


@dataclasses.dataclass(frozen=True)
class Pair:
    """A low-light photo and its reference, the same scene in normal light."""

    stem: str
    low: pathlib.Path
    high: pathlib.Path


class UnpairedError(UserError):
    """A photo whose counterpart is missing.

    Attributes:
      stem: of the photo.
    """

    def __init__(self, message: str, stem: str):
        super().__init__(message)
        self.stem = stem


def find_pairs(
    folder: str | pathlib.Path, on_bad: Callable[[UnpairedError], None] | None = None
) -> list[Pair]:
    """Returns the pairs of a folder that holds low/ and high/, in order of their stems.

    Args:
      folder: its low/ and high/ may use different file formats.
      on_bad: called with the error of each photo without counterpart, which is then left out.
        By default the first error is raised.

    Raises:
      UserError: a folder is missing or without photos, or a photo has no counterpart.
    """
    folder = pathlib.Path(folder)
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder.")
    for name in ("low", "high"):
        if not os.path.isdir(folder / name):
            raise UserError(
                f"{folder}: has no folder {name}/; a folder of pairs holds low/ and high/ "
                "with photos of equal stems."
            )
    photos = {name: list_photos(folder / name) for name in ("low", "high")}
    pairs = []
    for stem in sorted(photos["low"].keys() | photos["high"].keys()):
        low, high = photos["low"].get(stem), photos["high"].get(stem)
        if low and high:
            pairs.append(Pair(stem, low, high))
            continue
        path, other = (low, "high") if low else (high, "low")
        error = UnpairedError(
            f"{path}: has no counterpart {stem}.* in {folder / other}; add or remove it.", stem
        )
        if on_bad is None:
            raise error
        on_bad(error)
    if not pairs:
        raise UserError(f"{folder}: no stem occurs in both low/ and high/.")
    return pairs


def read_stems(path: str | pathlib.Path) -> list[str]:
    """Returns the stems listed in a text file, one a line; # starts a comment."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of stems ({error}).") from error
    stems = [line.split("#")[0].strip() for line in lines]
    return [stem for stem in stems if stem]


def split_by_list(stems: Sequence[str], listed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Splits stems into those not listed and those listed, each in the given order.

    Raises:
      UserError: a listed stem does not exist, or one side is left empty.
    """
    missing = sorted(set(listed) - set(stems))
    if missing:
        raise UserError(
            f"the validation list names '{missing[0]}', which is no stem (a name without its "
            "ending) among the photos"
            + (f" (nor are {len(missing) - 1} more of its lines)." if len(missing) > 1 else ".")
        )
    held_out = set(listed)
    return _both_sides(
        [stem for stem in stems if stem not in held_out],
        [stem for stem in stems if stem in held_out],
    )


def split_by_fraction(stems: Sequence[str], fraction: float) -> tuple[list[str], list[str]]:
    """Holds out a fraction of the stems, at least one.

    The choice depends on each stem's own hash, never on order: a photo that is held
    out stays so, but for those at the margin, when others come or go.

    Raises:
      UserError: one side is left empty.
    """
    count = max(1, round(len(stems) * fraction))
    by_hash = sorted(stems, key=lambda stem: hashlib.sha256(os.fsencode(stem)).digest())
    held_out = set(by_hash[:count])
    return _both_sides(
        [stem for stem in stems if stem not in held_out],
        [stem for stem in stems if stem in held_out],
    )


def _both_sides(train: list[str], held_out: list[str]) -> tuple[list[str], list[str]]:
    if not train or not held_out:
        side = "training" if not train else "validation"
        raise UserError(
            f"the split leaves no photo for {side}; at least one on each side is needed."
        )
    return train, held_out
