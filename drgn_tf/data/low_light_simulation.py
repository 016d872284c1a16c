"""Simulates low-light photos of cameras and messengers, in any framework.

    colour      changes the colours of the photo before it is darkened
    local       in linear light, lowers dark parts by some stops and keeps bright ones (sky,
                lamps, windows); the edges between them stay sharp
    global      x <- gain * x^gamma on sRGB values, equal in R, G and B
    cast        multiplies each channel of the light by exp(cast)
    noise       photon (Poisson) and read noise as Gaussian noise in linear light; correlated
                between pixels, as after demosaicing and denoising, and stronger and coarser in
                colour than in luma
    file        converts to sRGB and 8 bits, and optionally JPEG with subsampled colour, resizing
                and a second JPEG

Each framework has its own random numbers, so callers draw the uniform and normal numbers. The
paper's COCO24700 and COCO1000 are gamma-darkened, gamma about 2 to 3.5 and equal in R, G and B
(measured from its figure). Everything else here is [chosen].
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from keras import ops

from drgn_tf.brightness import CHROMA, LUMA
from drgn_tf.tensors import Tensor


@dataclasses.dataclass(frozen=True)
class PhotometricOptions:
    """Ranges (lowest, highest) from which each sample draws its own values.

    Attributes:
      gamma: exponent of the sRGB values, uniform; 1 keeps them.
      gain: factor on the sRGB values after that, uniform; 1 keeps them.
      cast: largest natural logarithm, up or down, of each channel's factor in linear
        light, uniform; 0.1 is about 10 %.
      photons: photons that saturate a pixel, log-uniform; fewer make more noise.
      read_noise: standard deviation of the readout in units of saturation, uniform.
      colour: largest natural logarithm, down, of each channel's factor on the sRGB values of
        the photo itself, uniform, before it is darkened: adds colours that the photos lack. Only
        down, because a photo brightened and then darkened resembles one of high contrast that is
        not dark, and the network would brighten those too.
      levels: largest integer value of the file; 255 is 8 bits. Not drawn.
      well_lit: share of samples, below 1, that are not darkened: their low photo is the photo
        itself, recoloured and compressed. They teach the network to keep photos that are not
        dark.
      local: share of the darkened samples whose dark parts are darkened further; gamma and gain
        are then drawn weaker, from none to full.
      local_stops: by how many stops (powers of two of the light) these are darkened, uniform.
      local_lift: by how many stops the dark parts of such a photo itself are brightened before,
        uniform, because the shadows of normal-light photos are too dark as the reference of a
        backlit photo.
      local_quantile: share of the pixels of the photo's thumbnail that count as dark, uniform.
      noise_size: standard deviation in pixels of the Gaussian that correlates the noise of
        neighbours, uniform; 0 keeps pixels independent. Colour noise is up to three times as
        coarse.
      chroma_noise: factor on the colour part of the noise, uniform; 1 makes the noise of R, G
        and B independent.
      jpeg: share of samples that are JPEG-compressed.
      jpeg_quality: on libjpeg's scale, uniform.
      resize: share of samples that are then resized.
      resize_scale: their original size as a factor on both sides, log-uniform, within 0.5 to 2.
    """

    gamma: tuple[float, float] = (1.5, 3.5)
    gain: tuple[float, float] = (0.4, 1.0)
    cast: float = 0.1
    colour: float = 0.0
    photons: tuple[float, float] = (1000.0, 20000.0)
    read_noise: tuple[float, float] = (0.0, 0.001)
    levels: int = 255
    well_lit: float = 0.0
    local: float = 0.0
    local_stops: tuple[float, float] = (1.0, 5.0)
    local_lift: tuple[float, float] = (0.0, 0.0)
    local_quantile: tuple[float, float] = (0.3, 0.8)
    noise_size: tuple[float, float] = (0.0, 0.0)
    chroma_noise: tuple[float, float] = (1.0, 1.0)
    jpeg: float = 0.0
    jpeg_quality: tuple[float, float] = (30.0, 95.0)
    resize: float = 0.0
    resize_scale: tuple[float, float] = (0.8, 1.5)

    def __post_init__(self) -> None:
        for name, smallest, greatest in (
            ("gamma", 1.0, math.inf),
            ("gain", 0.0, 1.0),
            ("photons", 1.0, math.inf),
            ("read_noise", 0.0, math.inf),
            ("local_stops", 0.0, 16.0),
            ("local_lift", 0.0, 4.0),
            ("local_quantile", 0.0, 1.0),
            ("noise_size", 0.0, 4.0),
            ("chroma_noise", 0.0, 16.0),
            ("jpeg_quality", 1.0, 100.0),
            ("resize_scale", 0.5, 2.0),
        ):
            lowest, highest = getattr(self, name)
            if not (smallest <= lowest <= highest <= greatest and highest < math.inf):
                limits = f"from {smallest:g} " + (
                    "up" if greatest == math.inf else f"to {greatest:g}"
                )
                raise ValueError(
                    f"photometric {name} must be a range lowest,highest {limits}, "
                    f"not {lowest:g},{highest:g}."
                )
        if self.gain[0] == 0:
            raise ValueError("photometric gain must lie above 0.")
        for name in ("cast", "colour", "local", "jpeg", "resize"):
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


# Uniform random numbers per sample.
DRAWS = 25
# Channels of normal random numbers for the noise: luma, and R, G, B.
NOISE_CHANNELS = 4

# Neither darkened nor tinted, with noise far below a level of 8 bits.
_WELL_LIT = {
    "gamma": 1.0,
    "gain": 1.0,
    "photons": 1e8,
    "read_noise": 0.0,
    "cast": 1.0,
    "stops": 0.0,
    "lift": 0.0,
}

# Window side in pixels, and the luma contrast above which edges stay sharp, of the guided filter
# (He et al., ECCV 2010) that separates dark from bright parts.
_GUIDE_WINDOW = 17
_GUIDE_CONTRAST = 0.1
# Width in luma of the transition between darkened and kept parts.
_LOCAL_FADE = 0.15

# ITU-T T.81, tables K.1 and K.2: quantisation of luma and colour at quality 50.
_LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMA_TABLE = np.full((8, 8), 99, np.float32)
_CHROMA_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# Rows Y, Cb, Cr.
_TO_YCC = np.array([LUMA, *CHROMA], np.float32)
# Side in pixels of a block of subsampled colour.
_JPEG_BLOCK = 16


def srgb_to_linear(x: Tensor) -> Tensor:
    """Decodes sRGB values in [0, 1] to linear light (IEC 61966-2-1)."""
    return ops.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x: Tensor) -> Tensor:
    """Encodes linear light in [0, 1] as sRGB values, the inverse of `srgb_to_linear`."""
    return ops.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


def luma(image: Tensor) -> Tensor:
    """Returns BT.601 luma of sRGB values: [..., 3] -> [...]."""
    return ops.sum(image * ops.array(LUMA, image.dtype), axis=-1)


def scale_parameters(
    options: PhotometricOptions, unit: Tensor, thumbnail: Tensor
) -> dict[str, Tensor]:
    """Returns the values of one sample.

    Args:
      options: ranges.
      unit: float32 [DRAWS], drawn uniformly from [0, 1).
      thumbnail: sRGB [T, T, 3] in [0, 1] of the photo before it is darkened.

    Returns:
      float32 scalars by name, but "cast" and "colour" [3]. "stops", "lift" and "threshold" only
      where `options.local` is not 0.
    """

    def between(lowest: Tensor, highest: Tensor, u: Tensor) -> Tensor:
        return lowest + (highest - lowest) * u

    def log_between(lowest: Tensor, highest: Tensor, u: Tensor) -> Tensor:
        return lowest * (highest / lowest) ** u

    # One number decides both, so that without well-lit photos all draws stay the same.
    well_lit = unit[0] < options.well_lit
    is_local = unit[10] < options.local
    # Share of the global darkening that a locally darkened photo keeps.
    kept = ops.where(is_local, unit[11], 1.0)
    gamma = between(*options.gamma, (unit[0] - options.well_lit) / (1.0 - options.well_lit))
    dark = {
        "gamma": 1.0 + (gamma - 1.0) * kept,
        "gain": 1.0 - (1.0 - between(*options.gain, unit[1])) * kept,
        "photons": log_between(*options.photons, unit[2]),
        "read_noise": between(*options.read_noise, unit[3]),
        "cast": ops.exp(options.cast * (2.0 * unit[4:7] - 1.0)),
    }
    colour = ops.exp(-options.colour * unit[7:10])
    parameters = {}
    if options.local:
        dark["stops"] = ops.where(is_local, between(*options.local_stops, unit[12]), 0.0)
        dark["lift"] = ops.where(is_local, between(*options.local_lift, unit[24]), 0.0)
        lumas = ops.sort(ops.reshape(luma(thumbnail * colour), (-1,)))
        quantile = between(*options.local_quantile, unit[13])
        place = ops.cast(quantile * (lumas.shape[0] - 1), "int32")
        parameters["threshold"] = ops.take(lumas, place)
    return {
        **{name: ops.where(well_lit, _WELL_LIT[name], value) for name, value in dark.items()},
        **parameters,
        "colour": colour,
        "noise_size": between(*options.noise_size, unit[14]),
        "chroma_size": between(*options.noise_size, unit[14]) * (1.0 + 2.0 * unit[15]),
        "chroma_noise": between(*options.chroma_noise, unit[16]),
        **file_parameters(options, unit),
    }


def file_parameters(options: PhotometricOptions, unit: Tensor) -> dict[str, Tensor]:
    """Returns the file parameters (JPEG, resizing) of one sample; see `scale_parameters`."""
    lowest, highest = options.jpeg_quality
    smallest, largest = options.resize_scale
    return {
        "resized": unit[17] < options.resize,
        "resize_scale": smallest * (largest / smallest) ** unit[18],
        "jpeg": unit[19] < options.jpeg,
        "quality": lowest + (highest - lowest) * unit[20],
        "jpeg_again": unit[21] < 0.5 * options.jpeg,
        "quality_again": lowest + (highest - lowest) * unit[22],
        # How far inside a block the crop begins.
        "block_shift": ops.cast(unit[23] * _JPEG_BLOCK**2, "int32"),
    }


def recolour(photo: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """Returns the photo, or its thumbnail, with changed colours, before it is darkened.

    Args:
      photo: sRGB [H, W, 3] in [0, 1].
      parameters: from `scale_parameters`.
    """
    return photo * parameters["colour"]


def _box_matrix(size: int, window: int) -> np.ndarray:
    offsets = np.arange(size)[:, None] - np.arange(size)[None]
    inside = (np.abs(offsets) <= window // 2).astype(np.float32)
    return inside / inside.sum(axis=1, keepdims=True)


def _box(image: Tensor, window: int) -> Tensor:
    """Returns means over windows, [H, W]; at the borders over the part inside the image."""
    rows, columns = (_box_matrix(size, window) for size in image.shape)
    return ops.matmul(ops.matmul(rows, image), columns.T)


def _guide(image: Tensor, window: int) -> Tensor:
    """Returns luma without texture but with its strong edges, [H, W] (guided filter)."""
    values = luma(image)
    mean = _box(values, window)
    variance = _box(ops.square(values), window) - ops.square(mean)
    slope = variance / (variance + _GUIDE_CONTRAST**2)
    offset = (1.0 - slope) * mean
    return _box(slope, window) * values + _box(offset, window)


def _darkness(photo: Tensor, parameters: dict[str, Tensor], window: int) -> Tensor:
    """Returns a mask of the dark parts of a photo, [H, W, 1] in [0, 1], with soft borders."""
    edge = (parameters["threshold"] - _guide(photo, window)) / _LOCAL_FADE
    inside = ops.clip(edge + 0.5, 0.0, 1.0)
    return (inside * inside * (3.0 - 2.0 * inside))[..., None]


def lift(photo: Tensor, parameters: dict[str, Tensor], window: int = _GUIDE_WINDOW) -> Tensor:
    """Brightens the dark parts of a photo, for the reference of a backlit photo.

    Args:
      photo: sRGB [H, W, 3] in [0, 1].
      parameters: from `scale_parameters`.
      window: see `expose`.
    """
    if "lift" not in parameters:
        return photo
    gain = 2.0 ** (parameters["lift"] * _darkness(photo, parameters, window))
    return linear_to_srgb(ops.minimum(srgb_to_linear(photo) * gain, 1.0))


def expose(photo: Tensor, parameters: dict[str, Tensor], window: int = _GUIDE_WINDOW) -> Tensor:
    """Returns the darkened photo in linear light, without noise.

    Args:
      photo: sRGB [H, W, 3] in [0, 1].
      parameters: from `scale_parameters`.
      window: side in pixels of the window that separates dark from bright parts.
    """
    light = srgb_to_linear(parameters["gain"] * photo ** parameters["gamma"])
    if "stops" in parameters:
        dark = _darkness(photo, parameters, window)
        light = light * 2.0 ** (-parameters["stops"] * dark)
    return ops.minimum(light * parameters["cast"], 1.0)


def develop(light: Tensor, levels: int = 255) -> Tensor:
    """Returns the photo that a camera saves.

    Args:
      light: linear light [..., 3], with noise, so perhaps outside of [0, 1].
      levels: see `PhotometricOptions`.

    Returns:
      sRGB [..., 3] in [0, 1], in steps of 1 / levels.
    """
    return ops.round(linear_to_srgb(ops.clip(light, 0.0, 1.0)) * levels) / levels


# Places and weights of Gauss-Hermite quadrature for a standard normal variable.
_NORMAL_PLACES = (-2.8569700, -1.3556262, 0.0, 1.3556262, 2.8569700)
_NORMAL_WEIGHTS = (0.0112574, 0.2220759, 0.5333333, 0.2220759, 0.0112574)


def darken_thumbnail(thumbnail: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """Darkens the thumbnail of a photo like the photo itself.

    Noise averages out in a thumbnail, but not what is cut off at black, nor what the curve of
    sRGB bends: very dark photos become brighter by it. So this is the mean over the noise.

    Args:
      thumbnail: sRGB [T, T, 3] in [0, 1].
      parameters: from `scale_parameters`.

    Returns:
      sRGB [T, T, 3] in [0, 1].
    """
    light = expose(thumbnail, parameters, window=3)
    deviation = ops.sqrt(_noise_variance(light, parameters) * _channel_variance(parameters))
    return sum(
        weight * linear_to_srgb(ops.clip(light + place * deviation, 0.0, 1.0))
        for place, weight in zip(_NORMAL_PLACES, _NORMAL_WEIGHTS)
    )


def _separably(rows: Tensor, columns: Tensor, image: Tensor) -> Tensor:
    """Returns rows @ image @ columns^T of each channel: [I, J], [K, L], [J, L, C] -> [I, K, C]."""
    _, width, channels = image.shape
    x = ops.reshape(
        ops.matmul(rows, ops.reshape(image, (-1, width * channels))), (-1, width, channels)
    )
    return ops.matmul(columns, x)


def _correlated(noise: Tensor, deviation: Tensor) -> Tensor:
    """Blurs normal noise [H, W, C] by a Gaussian of this deviation; its variance stays 1."""
    offsets = np.arange(noise.shape[0])[:, None] - np.arange(noise.shape[0])[None]
    # Below a quarter of a pixel the weight of neighbours is negligible.
    window = ops.exp(
        -(ops.array(offsets, "float32") ** 2) / (2.0 * ops.maximum(deviation, 0.25) ** 2)
    )
    window = ops.where(deviation < 0.25, ops.array(offsets == 0, "float32"), window)
    window = window / ops.sqrt(ops.sum(window**2, axis=1, keepdims=True))
    return _separably(window, window, noise)


def _noisy(light: Tensor, parameters: dict[str, Tensor], normal: Tensor) -> Tensor:
    """Adds noise to linear light [N, N, 3], from normal numbers [N, N, NOISE_CHANNELS]."""
    grey = _correlated(normal[..., :1], parameters["noise_size"])
    colour = _correlated(normal[..., 1:], parameters["chroma_size"])
    colour = colour - ops.mean(colour, axis=-1, keepdims=True)
    noise = grey / math.sqrt(3.0) + parameters["chroma_noise"] * colour
    return light + ops.sqrt(_noise_variance(light, parameters)) * noise


def _noise_variance(light: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    return light / parameters["photons"] + parameters["read_noise"] ** 2


def _channel_variance(parameters: dict[str, Tensor]) -> Tensor:
    """Returns the variance of one channel of the noise, of which luma has a third."""
    return (1.0 + 2.0 * parameters["chroma_noise"] ** 2) / 3.0


def resample(image: Tensor, size: int, step: Tensor) -> Tensor:
    """Resizes a square image by linear interpolation, with a triangle filter when reducing.

    Args:
      image: [N, N, C].
      size: side of the result in pixels.
      step: pixels of the image per pixel of the result, a scalar that may be a tensor. The border
        is repeated outside of the image.

    Returns:
      [size, size, C].
    """
    side = image.shape[0]
    places = (np.arange(size, dtype=np.float32) + 0.5) * step - 0.5
    places = ops.clip(places, 0.0, side - 1.0)
    distance = ops.abs(places[:, None] - np.arange(side, dtype=np.float32)[None])
    weights = ops.relu(1.0 - distance / ops.maximum(step, 1.0))
    weights = weights / ops.sum(weights, axis=1, keepdims=True)
    return _separably(weights, weights, image)


def _dct_matrix() -> np.ndarray:
    k, n = np.arange(8)[:, None], np.arange(8)[None]
    matrix = np.cos((2 * n + 1) * k * np.pi / 16) * 0.5
    matrix[0] /= math.sqrt(2.0)
    return matrix.astype(np.float32)


def _doubling_matrix(size: int) -> np.ndarray:
    """Returns [2 * size, size]: 3/4 of the pixel that one lies in, 1/4 of its nearest neighbour."""
    places = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
    weights = np.maximum(1.0 - np.abs(places[:, None] - np.arange(size)), 0.0)
    return weights.astype(np.float32)


def _quantised(channels: Tensor, table: Tensor, quality: Tensor) -> Tensor:
    """Rounds the 8x8 cosine coefficients of channels [H, W, C] around 0."""
    height, width, count = channels.shape
    percent = ops.where(quality < 50.0, ops.floor(5000.0 / quality), 200.0 - 2.0 * quality)
    table = ops.clip(ops.floor((table * percent + 50.0) / 100.0), 1.0, 255.0)
    table = table[None, :, None, :, None]
    matrix = _dct_matrix()
    blocks = ops.reshape(channels, (height // 8, 8, width // 8, 8, count))
    coefficients = ops.einsum("ui,aibjc,vj->aubvc", matrix, blocks, matrix)
    coefficients = ops.round(coefficients / table) * table
    blocks = ops.einsum("ui,aubvc,vj->aibjc", matrix, coefficients, matrix)
    return ops.reshape(blocks, (height, width, count))


def jpeg(image: Tensor, quality: Tensor, block_shift: int = 0) -> Tensor:
    """Compresses a photo by JPEG (baseline, 4:2:0) and decodes it.

    Tables, and the interpolation of colour when it is decoded, are those of libjpeg. Of its integer
    arithmetic only the first rounding is followed: that moves a pixel by less than a level on
    average.

    Args:
      image: sRGB [H, W, 3] in [0, 1].
      quality: 1 to 100, a scalar that may be a tensor.
      block_shift: how far inside a block the photo begins, 16 * row + column from 0 to 255: a crop
        may begin anywhere.

    Returns:
      sRGB [H, W, 3] in [0, 1], in steps of 1 / 255.
    """
    height, width = image.shape[:2]
    padding = [(0, -size % _JPEG_BLOCK) for size in (height, width)]
    x = (
        ops.pad(image, [*padding, (0, 0)], mode="symmetric")
        if any(p for _, p in padding)
        else image
    )
    shift = (block_shift // _JPEG_BLOCK, block_shift % _JPEG_BLOCK)
    # The shift is circular: up to 15 pixels at the border see an artificial edge.
    x = ops.roll(x, shift, axis=(0, 1))
    x = ops.round(ops.matmul(ops.round(x * 255.0), _TO_YCC.T))
    grey, colour = x[..., :1] - 128.0, x[..., 1:]
    colour = ops.average_pool(colour[None], 2, strides=2)[0]
    grey = _quantised(grey, _LUMA_TABLE, quality) + 128.0
    colour = _quantised(colour, _CHROMA_TABLE, quality)
    rows, columns = (_doubling_matrix(size) for size in colour.shape[:2])
    colour = _separably(rows, columns, colour)
    x = ops.matmul(ops.concatenate([grey, colour], axis=-1), np.linalg.inv(_TO_YCC).T)
    x = ops.roll(x, tuple(-s for s in shift), axis=(0, 1))[:height, :width]
    return ops.round(ops.clip(x, 0.0, 255.0)) / 255.0


def largest_side(crop_size: int, options: PhotometricOptions) -> int:
    """Returns the side in pixels of the largest photo that becomes a crop, at least its own."""
    scale = options.resize_scale[1] if options.resize else 1.0
    return max(crop_size, math.ceil(crop_size * scale))


def save_as_file(
    photo: Tensor,
    parameters: dict[str, Tensor],
    options: PhotometricOptions,
    take: Callable[[Tensor], Tensor] = lambda image: image,
) -> Tensor:
    """Returns a crop as it is in the saved file of a photo, which `take` simulates.

    Args:
      photo: sRGB [N, N, 3] in [0, 1].
      parameters: from `scale_parameters` or `file_parameters`.
      options: ranges.
      take: called with the photo in its original size, square and from N to `largest_side`
        pixels wide; returns it as the camera saves it.

    Returns:
      sRGB [N, N, 3] in [0, 1].
    """

    def compressed(image: Tensor, jpeg_name: str, quality_name: str) -> Tensor:
        if not options.jpeg:
            return image
        return ops.cond(
            parameters[jpeg_name],
            lambda: jpeg(image, parameters[quality_name], parameters["block_shift"]),
            lambda: image,
        )

    def plain() -> Tensor:
        return compressed(take(photo), "jpeg", "quality")

    def resized() -> Tensor:
        side, scale = photo.shape[0], parameters["resize_scale"]
        image = take(resample(photo, largest_side(side, options), 1.0 / scale))
        image = resample(compressed(image, "jpeg", "quality"), side, scale)
        image = ops.round(image * options.levels) / options.levels
        return compressed(image, "jpeg_again", "quality_again")

    return ops.cond(parameters["resized"], resized, plain) if options.resize else plain()


def darken(
    photo: Tensor, parameters: dict[str, Tensor], normal: Tensor, options: PhotometricOptions
) -> Tensor:
    """Makes a low-light photo.

    Args:
      photo: sRGB float32 [N, N, 3] in [0, 1].
      parameters: from `scale_parameters`.
      normal: float32 [M, M, NOISE_CHANNELS] from the standard normal distribution, M =
        `largest_side(N, options)`.
      options: ranges.

    Returns:
      sRGB float32 [N, N, 3] in [0, 1], in steps of 1 / levels.
    """

    def take(image: Tensor) -> Tensor:
        side = image.shape[0]
        light = expose(image, parameters)
        return develop(_noisy(light, parameters, normal[:side, :side]), options.levels)

    return save_as_file(photo, parameters, options, take)


def relight(photo: Tensor, factor: Tensor) -> Tensor:
    """Makes a finished photo brighter or darker; nothing is clipped.

    Args:
      photo: sRGB [..., 3] in [0, 1].
      factor: on all its values where it is below 1, and so on white. Above 1 on the darkest:
        bright values grow less, and white stays white.

    Returns:
      sRGB [..., 3] in [0, 1].
    """
    # Thumbnails may lie above 1 by a rounding, of which there is no power.
    missing = ops.maximum(1.0 - photo, 0.0)
    return ops.where(factor > 1.0, 1.0 - missing**factor, photo * factor)
