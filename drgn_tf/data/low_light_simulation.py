"""What a camera makes of too little light, but for the noise, in any framework.

    darker      x <- gain * x^gamma, equal in R, G and B
    colour      linear light; each channel times exp(cast)
    noise       Poisson (photons) and Gaussian (readout), in linear light
    file        back to sRGB, rounded to 8 bits

Each framework has random numbers of its own, so the noise is drawn elsewhere, between
`expose` and `develop`: by `drgn_tf.data.photometric` in an input pipeline. The paper's
COCO24700 and COCO1000 are gamma-darkened, gamma about 2 to 3.5 and equal in R, G and B
(measured from its figure). Everything else here is chosen.
"""

from __future__ import annotations

import dataclasses
import math

from keras import ops


@dataclasses.dataclass(frozen=True)
class PhotometricOptions:
    """Ranges (lowest, highest) from which each sample draws its own values.

    Attributes:
      gamma: exponent on the sRGB values, uniform; 1 leaves them.
      gain: factor on the sRGB values after that, uniform; 1 leaves them.
      cast: largest natural logarithm, up or down, of each channel's factor in linear
        light, uniform; 0.1 is about 10 %.
      photons: photons that saturate a pixel, log-uniform; fewer make more noise.
      read_noise: standard deviation of the readout in units of saturation, uniform.
      colour: largest natural logarithm, down, of each channel's factor on the sRGB values of
        the photo itself, uniform, before it is darkened: more colours than the photos have. Only
        down, because a photo made brighter and then dark looks like one of high contrast that is
        not dark, and those would be made brighter too.
      levels: steps of the file after the first; 255 is 8 bits. Not drawn.
      well_lit: share of samples, below 1, that are not darkened: their low photo is the photo,
        recoloured and in the steps of the file. They teach that one which is not dark is to stay
        as it is.
    """

    gamma: tuple[float, float] = (1.5, 3.5)
    gain: tuple[float, float] = (0.4, 1.0)
    cast: float = 0.1
    colour: float = 0.0
    photons: tuple[float, float] = (1000.0, 20000.0)
    read_noise: tuple[float, float] = (0.0, 0.001)
    levels: int = 255
    well_lit: float = 0.0

    def __post_init__(self) -> None:
        for name, smallest in (
            ("gamma", 1.0),
            ("gain", 0.0),
            ("photons", 1.0),
            ("read_noise", 0.0),
        ):
            lowest, highest = getattr(self, name)
            if not smallest <= lowest <= highest < math.inf:
                raise ValueError(
                    f"photometric {name} must be a range lowest,highest from {smallest:g} up, "
                    f"not {lowest:g},{highest:g}."
                )
        if self.gain[0] == 0 or self.gain[1] > 1:
            raise ValueError("photometric gain must lie above 0 and not above 1.")
        for name in ("cast", "colour"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"photometric {name} must lie in [0, 1], not {getattr(self, name):g}."
                )
        if not 0 <= self.well_lit < 1:
            raise ValueError(
                f"photometric well_lit must be a share from 0 to below 1, not {self.well_lit:g}."
            )
        if self.levels < 1:
            raise ValueError(f"photometric levels must be positive, not {self.levels}.")


# Uniform numbers that the values of one sample take; the first ones serve all but its colour.
DRAWS = 10
DARKENING_DRAWS = 7

# Neither darker nor tinted, and noise far below a level of 8 bits.
_WELL_LIT = {"gamma": 1.0, "gain": 1.0, "photons": 1e8, "read_noise": 0.0, "cast": 1.0}


def srgb_to_linear(x):
    """Decodes sRGB values in [0, 1] to linear light (IEC 61966-2-1)."""
    return ops.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x):
    """Encodes linear light in [0, 1] as sRGB values, the inverse of `srgb_to_linear`."""
    return ops.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


def scale_parameters(options: PhotometricOptions, unit) -> dict:
    """Returns the values of one sample.

    Args:
      options: ranges.
      unit: float32 [DRAWS], drawn uniformly from [0, 1).

    Returns:
      float32 scalars "gamma", "gain", "photons", "read_noise", and "cast" and "colour" [3].
    """

    def between(lowest, highest, u):
        return lowest + (highest - lowest) * u

    # One number decides on both, so that without well-lit photos all draws stay what they were.
    well_lit = unit[0] < options.well_lit
    dark = {
        "gamma": between(*options.gamma, (unit[0] - options.well_lit) / (1.0 - options.well_lit)),
        "gain": between(*options.gain, unit[1]),
        "photons": options.photons[0] * (options.photons[1] / options.photons[0]) ** unit[2],
        "read_noise": between(*options.read_noise, unit[3]),
        "cast": ops.exp(options.cast * (2.0 * unit[4:7] - 1.0)),
    }
    return {
        **{name: ops.where(well_lit, _WELL_LIT[name], value) for name, value in dark.items()},
        "colour": ops.exp(-options.colour * unit[DARKENING_DRAWS:]),
    }


def recolour(photo, parameters: dict):
    """Returns the photo, or its thumbnail, in the colours that it is to have before it is darkened.

    Args:
      photo: sRGB [H, W, 3] in [0, 1].
      parameters: from `scale_parameters`.
    """
    return photo * parameters["colour"]


def expose(photo, parameters: dict):
    """Returns the darkened photo in linear light, without noise.

    Args:
      photo: sRGB [H, W, 3] in [0, 1].
      parameters: from `scale_parameters`.
    """
    darker = parameters["gain"] * photo ** parameters["gamma"]
    return ops.minimum(srgb_to_linear(darker) * parameters["cast"], 1.0)


def develop(light, levels: int = 255):
    """Returns the photo that a camera saves.

    Args:
      light: linear light [..., 3], with noise, so perhaps outside of [0, 1].
      levels: see `PhotometricOptions`.

    Returns:
      sRGB [..., 3] in [0, 1], in steps of 1 / levels.
    """
    return ops.round(linear_to_srgb(ops.clip(light, 0.0, 1.0)) * levels) / levels


def darken_thumbnail(thumbnail, parameters: dict):
    """Darkens the thumbnail of a photo like the photo itself; its noise averages out."""
    return linear_to_srgb(expose(thumbnail, parameters))
