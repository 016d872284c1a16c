"""What is compared: networks and classical baselines, each a row or two of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from drgn_tf.errors import UserError
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.enhancer import Enhancer

# uint8 [H, W, 3] -> uint8 [H, W, 3].
Enhance = Callable[[np.ndarray], np.ndarray]
# uint8 [H, W, 3] and the mean luma that the result is to have -> uint8 [H, W, 3].
EnhanceTo = Callable[[np.ndarray, float], np.ndarray]

# Row of the untouched photo, and what marks rows of results whose brightness was given.
INPUT = "input"
GIVEN = " (given)"


@dataclasses.dataclass(frozen=True)
class Method:
    """What enhances photos.

    Attributes:
      name: of its row; that of the results whose brightness was given ends with `GIVEN`.
      enhance: makes the result.
      enhance_to: makes a result of a given brightness, if it can.
    """

    name: str
    enhance: Enhance
    enhance_to: EnhanceTo | None = None


def of_network(driver: Driver, name: str) -> Method:
    """Returns a network as a method."""
    enhancer = Enhancer(driver)

    def enhance_to(photo: np.ndarray, brightness: float) -> np.ndarray:
        return enhancer(photo, brightness=brightness)

    return Method(name, enhancer, enhance_to if driver.takes_brightness else None)


def check_names(methods: Iterable[Method]) -> None:
    """Raises UserError if two rows would have the same name, or one that means something else."""
    taken = {INPUT}
    for method in methods:
        if method.name in taken:
            raise UserError(
                f"two rows of the table would be called '{method.name}'; rename one of the files."
            )
        if method.name.endswith(GIVEN):
            raise UserError(
                f"'{method.name}' would be taken for a result of given brightness; rename it."
            )
        taken.add(method.name)
