"""Measuring a network on whole photos, as they would be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from drgn_tf.brightness import AUTOMATIC, DARKEST, LUMA, stops_between
from drgn_tf.images import photos
from drgn_tf.images.grids import side_by_side
from drgn_tf.metrics.photo_similarity import photo_psnr, photo_ssim

# Pixels; wider photos are scaled down for the pictures kept of a validation.
_PICTURE_WIDTH = 320


@dataclasses.dataclass(frozen=True)
class Validation:
    """Means over photos, of 8-bit results that are not scaled to the reference brightness.

    Attributes:
      psnr: of the enhanced photos, in dB; their brightness is automatic.
      ssim: of the enhanced photos, in colour; likewise.
      psnr_given: where the brightness of the reference is given, in dB; as psnr if the network
        takes none.
      ssim_given: likewise.
      brightness_error: of the predicted brightness, absolute, in stops (EV).
      mean_change: of the photo by the network, absolute, in levels of 255.
      base_to_enhanced: mean of I_B over that of I*. In a faithful run about 1.
      input_psnr: of the low-light photos as they are, in dB.
      input_ssim: of the low-light photos as they are.
      degradation_mean: I_D per channel (R, G, B).
      degradation_spread: standard deviation of I_D over each photo, mean over channels. A
        faithful run has a degradation that is negative and nearly constant.
      base_contrast: standard deviation of I_B over that of the reference. In a
        faithful run the base is washed out: below that of the enhanced photo.
      enhanced_contrast: standard deviation of I* over that of the reference.
      sets: some of the same of each further set, by its name.
      pictures: uint8 rows low | degradation | base | enhanced | reference of the first
        photos; a degradation of 0 is shown as middle grey.
    """

    psnr: float
    ssim: float
    psnr_given: float
    ssim_given: float
    brightness_error: float
    mean_change: float
    base_to_enhanced: float
    input_psnr: float
    input_ssim: float
    degradation_mean: tuple[float, float, float]
    degradation_spread: float
    base_contrast: float
    enhanced_contrast: float
    pictures: list[np.ndarray] = dataclasses.field(repr=False)
    sets: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    def score(self, name: str) -> float:
        """Returns a metric as the mean over all sets whose photos are to be changed."""
        values = [getattr(self, name)]
        # A photo that is not dark is its own reference.
        values += [of[name] for of in self.sets.values() if of["input_psnr"] < _SAME]
        return float(np.mean(values))

    @property
    def summary(self) -> str:
        """One line for the terminal."""
        parts = [
            f"validation {self.psnr:.2f} dB, SSIM {self.ssim:.4f} "
            f"(brightness given: {self.psnr_given:.2f} dB, {self.ssim_given:.4f})"
        ]
        parts += [f"{name} {of['psnr']:.2f} dB, {of['ssim']:.4f}" for name, of in self.sets.items()]
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns all metrics."""
        values = dataclasses.asdict(self)
        del values["pictures"]
        return values


# What is kept of each further set.
SET_FIELDS = ("psnr", "ssim", "psnr_given", "ssim_given", "mean_change", "input_psnr", "input_ssim")
# What is measured of each photo, in this order; the colours are those of I_D.
_MEASURED = (
    "psnr", "ssim", "psnr_given", "ssim_given", "brightness_error", "mean_change",
    "base_to_enhanced", "input_psnr", "input_ssim", "red", "green", "blue", "degradation_spread",
    "base_contrast", "enhanced_contrast",
)  # fmt: skip
# PSNR in dB above which a photo and its reference are the same.
_SAME = 99.0


class Validator:
    """Runs one network on whole photos.

    Args:
      run: (float32 [1, H, W, 3] in [0, 1], brightness float32 [1, 1]) -> images by name: the
        network, or a function compiled of it. Its weights may change between calls.
      told: whether the network takes a brightness; else it is given 0 always.
    """

    def __init__(
        self, run: Callable[[np.ndarray, np.ndarray], Mapping[str, Any]], told: bool = False
    ):
        self._run = run
        self._told = told

    def __call__(
        self,
        pairs: Iterable[tuple[str, np.ndarray, np.ndarray]],
        pictures: int = 4,
        sets: Mapping[str, Iterable[tuple[str, np.ndarray, np.ndarray]]] | None = None,
    ) -> Validation:
        """Measures on pairs of (name, low, high), float32 [H, W, 3] in [0, 1].

        Args:
          pairs: what all metrics but `sets` are of.
          pictures: of how many photos pictures are kept.
          sets: further pairs, by name.
        """
        others = {name: self._measured(of, 0) for name, of in (sets or {}).items()}
        return dataclasses.replace(
            self._measured(pairs, pictures),
            sets={
                name: {key: getattr(result, key) for key in SET_FIELDS}
                for name, result in others.items()
            },
        )

    def _measured(
        self, pairs: Iterable[tuple[str, np.ndarray, np.ndarray]], pictures: int
    ) -> Validation:
        rows: list[list[float]] = []
        kept: list[np.ndarray] = []
        for _, low, high in pairs:
            images = self._images(low, AUTOMATIC)
            enhanced = photos.to_float(photos.to_uint8(images["enhanced"]))
            contrast = high.std() + 1e-6
            automatic = given = _similarity(enhanced, high)
            error = 0.0
            if self._told and high is not low:
                # Of a black reference 0 would ask for the prediction.
                wanted = max(float(high.mean((0, 1)) @ LUMA), DARKEST)
                as_told = self._images(low, wanted)["enhanced"]
                given = _similarity(photos.to_float(photos.to_uint8(as_told)), high)
                predicted = float(images["predicted_brightness"][0])
                error = abs(stops_between(wanted, predicted))
            rows.append(
                [
                    *automatic,
                    *given,
                    error,
                    255.0 * np.abs(enhanced - low).mean(),
                    images["base"].mean() / max(enhanced.mean(), 1e-3),
                    *_similarity(low, high),
                    *images["degradation"].mean((0, 1)),
                    images["degradation"].std((0, 1)).mean(),
                    images["base"].std() / contrast,
                    enhanced.std() / contrast,
                ]
            )
            if len(kept) < pictures:
                kept.append(_picture(low, images, high))
        means = dict(zip(_MEASURED, np.mean(rows, axis=0).tolist()))
        degradation_mean = (means.pop("red"), means.pop("green"), means.pop("blue"))
        return Validation(**means, degradation_mean=degradation_mean, pictures=kept)

    def _images(self, low: np.ndarray, brightness: float) -> dict[str, np.ndarray]:
        images = self._run(low[np.newaxis], np.full((1, 1), brightness, np.float32))
        return {name: np.asarray(image[0]) for name, image in images.items()}


def _similarity(image: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    return photo_psnr(image, reference), photo_ssim(image, reference)


def _picture(low: np.ndarray, images: Mapping[str, np.ndarray], high: np.ndarray) -> np.ndarray:
    shown = [low, 0.5 + images["degradation"] / 2, images["base"], images["enhanced"], high]
    return photos.to_uint8(side_by_side(shown, _PICTURE_WIDTH))
