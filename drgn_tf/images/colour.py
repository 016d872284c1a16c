"""Colour spaces of photos: to sRGB, which networks are trained on, and back.

Phones write Display P3, cameras Adobe RGB or ProPhoto, as ICC profiles of a matrix and a curve for
each channel. The network gets such a photo in sRGB, where its most saturated colours are clipped.
What was clipped, in linear light, is added to the network's result, by as much brighter as it made
the pixel, and the sum goes back to the photo's own space: a network that changes nothing gives the
photo back, in its saturated colours too, and one that brightens keeps how saturated they are. It is
not so in the dark, where such colours are noise.

Profiles of tables (printers, scanners) and of grey are kept, but their pixels are taken as sRGB.
"""

from __future__ import annotations

import dataclasses
import functools
import struct

import cv2
import numpy as np

# Rows that are converted at once: floats of a whole photo would take several times its memory.
_ROWS = 64
# Largest difference of a profile to sRGB, in levels of 255, with which it counts as sRGB: profiles
# of that name differ by their rounding.
_LIKE_SRGB = 1.5
# Linear light of all channels, below which colours outside of sRGB are mostly noise.
_NOISE = 0.05
_TOP16 = 65535
# Bytes of a profile; those of a matrix and curves have some kilobytes.
_LONGEST_PROFILE = 2**20

# CIE xy of red, green, blue and the white point D65.
_D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
# White of the space through which profiles convert (D50).
_PCS_WHITE = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# Of `para` curves, type 3: y = (a x + b)^g from d, c x below.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _primaries_to_pcs(
    primaries: tuple[tuple[float, float], ...], white: tuple[float, float]
) -> np.ndarray:
    """Returns the matrix [3, 3] from linear RGB to XYZ, adapted to D50."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    x, y = white
    white_xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    matrix = columns * np.linalg.solve(columns, white_xyz)
    scale = (_BRADFORD @ _PCS_WHITE) / (_BRADFORD @ white_xyz)
    return np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD @ matrix


_SRGB_TO_PCS = _primaries_to_pcs(SRGB, _D65)


def to_linear(values: np.ndarray) -> np.ndarray:
    """Returns sRGB values in [0, 1] as linear light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def from_linear(light: np.ndarray) -> np.ndarray:
    """Returns linear light in [0, 1] as sRGB values."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


# Of 16 bits, for tables of them, which are faster than powers.
_LEVELS = np.linspace(0, 1, _TOP16 + 1)


@functools.cache
def _light_of_srgb() -> np.ndarray:
    """Returns the linear light of each level, float32."""
    return to_linear(_LEVELS).astype(np.float32)


@functools.cache
def _srgb_by_root() -> np.ndarray:
    """Returns the level of each root of light, uint16: by the root, as levels are close in dark."""
    return np.round(from_linear(_LEVELS**2) * _TOP16).astype(np.uint16)


@dataclasses.dataclass(frozen=True, eq=False)
class ColourSpace:
    """The RGB space of a profile.

    Attributes:
      light: float32 [3, 65536], linear light of each level of 16 bits.
      by_root: uint16 [3, 65536], the level of 16 bits of each root of linear light.
      matrix: float32 [3, 3], from its linear light to that of sRGB.
    """

    light: np.ndarray
    by_root: np.ndarray
    matrix: np.ndarray

    def to_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Returns pixels in sRGB, clipped to its gamut.

        Args:
          pixels: uint8 or uint16 [H, W, 3] in this space.

        Returns:
          uint16 [H, W, 3]: with 8 bits, levels would be lost, and bands be seen.
        """
        result = np.empty(pixels.shape, np.uint16)
        for rows in _bands(len(pixels)):
            np.take(_srgb_by_root(), _root(self._srgb_light(pixels[rows])), out=result[rows])
        return result

    def from_srgb(self, enhanced: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Returns a result in this space.

        Args:
          enhanced: uint16 [H, W, 3] in sRGB, of the network.
          pixels: uint8 or uint16 [H, W, 3] in this space, from which it was made.

        Returns:
          [H, W, 3] in the dtype of `pixels`.

        Raises:
          ValueError: `enhanced` has another dtype.
        """
        if enhanced.dtype != np.uint16:
            raise ValueError(f"a result in sRGB is uint16, not {enhanced.dtype}.")
        back = np.linalg.inv(self.matrix).astype(np.float32)
        result = np.empty_like(pixels)
        by_root = self.by_root
        if pixels.dtype == np.uint8:
            by_root = ((by_root + np.uint32(128)) // 257).astype(np.uint8)
        for rows in _bands(len(pixels)):
            wide = self._srgb_light(pixels[rows])
            clipped = np.clip(wide, 0.0, 1.0)
            light = np.take(_light_of_srgb(), enhanced[rows])
            before = _sum(clipped)
            gain = _sum(light) / np.maximum(before, 1e-6)
            # What is dark is noise to a part, which the network removes: it is not to come back.
            trusted = before**2 / (before**2 + _NOISE**2)
            gain = np.where(gain > 1.0, 1.0 + (gain - 1.0) * trusted, gain)
            light += (wide - clipped) * gain[:, :, np.newaxis]
            root = _root(cv2.transform(light, back))
            for channel in range(3):
                result[rows, :, channel] = np.take(by_root[channel], root[:, :, channel])
        return result

    def _srgb_light(self, pixels: np.ndarray) -> np.ndarray:
        """Returns linear light of sRGB's primaries, beyond 0 and 1 where it is outside of sRGB."""
        light = np.empty(pixels.shape, np.float32)
        step = 257 if pixels.dtype == np.uint8 else 1
        for channel in range(3):
            light[:, :, channel] = np.take(self.light[channel, ::step], pixels[:, :, channel])
        return cv2.transform(light, self.matrix)


def _sum(light: np.ndarray) -> np.ndarray:
    """Returns the sum of the channels [H, W], which numpy takes slowly along the last axis."""
    return cv2.transform(light, np.ones((1, 3), np.float32))


def _root(light: np.ndarray) -> np.ndarray:
    """Returns the root of light, clipped to [0, 1], in levels of 16 bits."""
    root = cv2.sqrt(np.clip(light, 0.0, 1.0))
    return (root * _TOP16 + 0.5).astype(np.uint16)


def _bands(height: int) -> list[slice]:
    return [slice(top, top + _ROWS) for top in range(0, height, _ROWS)]


def model_of(profile: bytes) -> str:
    """Returns the colour model of an ICC profile: "RGB", "GRAY", "CMYK", ..."""
    return profile[16:20].decode("latin-1").strip()


def space_of(profile: bytes | None) -> ColourSpace | None:
    """Returns the colour space of an ICC profile.

    None where pixels are taken as sRGB: without a profile, with one of sRGB, of a damaged one, and
    of one that is not made of a matrix and curves.
    """
    if profile is None or len(profile) > _LONGEST_PROFILE or model_of(profile) != "RGB":
        return None
    return _space_of(profile)


@functools.lru_cache(maxsize=8)
def _space_of(profile: bytes) -> ColourSpace | None:
    try:
        # Of a damaged profile a power may be infinite.
        with np.errstate(all="ignore"):
            space = _parsed(profile)
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, np.linalg.LinAlgError):
        return None
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 1, 3)
    difference = np.abs(space.to_srgb(grid) / 257 - grid).max()
    return None if difference < _LIKE_SRGB else space


def _parsed(profile: bytes) -> ColourSpace:
    """Raises one of several errors if a profile cannot be used."""
    count = struct.unpack_from(">I", profile, 128)[0]
    tags: dict[bytes, bytes] = {}
    for index in range(min(count, 100)):
        name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[start : start + size]
    if b"A2B0" in tags:
        raise ValueError("has tables, which go before the matrix")
    columns = [
        np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536
        for name in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    matrix = np.linalg.solve(_SRGB_TO_PCS, np.stack(columns, axis=1))
    light = np.stack([_curve(tags[name], _LEVELS) for name in (b"rTRC", b"gTRC", b"bTRC")])
    rises = (np.diff(light) >= 0).all() and np.abs(light).max() < 2
    if not rises or np.linalg.cond(matrix) > 1e3 or np.abs(matrix).max() > 10:
        raise ValueError("no colours come back from it")
    by_root = [
        np.round(np.interp(_LEVELS**2, light[channel], _LEVELS) * _TOP16) for channel in range(3)
    ]
    return ColourSpace(
        light.astype(np.float32),
        np.stack(by_root).astype(np.uint16),
        matrix.astype(np.float32),
    )


def _curve(tag: bytes, values: np.ndarray) -> np.ndarray:
    """Returns the linear light of values in [0, 1]."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if not count:
            return values
        table = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return values ** (table[0] / 256)
        return np.interp(values, np.linspace(0, 1, count), table / _TOP16)
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    given = [number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
    if kind == 0:
        return values ** given[0]
    # y = (a x + b)^g + e from d on, c x + f below; the types leave some of these out.
    g, a, b = given[:3]
    c = d = e = f = 0.0
    if kind in (1, 2):
        d = -b / a
        e = f = given[3] if kind == 2 else 0.0
    else:
        c, d = given[3:5]
        e, f = given[5:7] if kind == 4 else (0.0, 0.0)
    return np.where(values >= d, np.maximum(a * values + b, 0.0) ** g + e, c * values + f)


def matrix_profile(
    name: str,
    primaries: tuple[tuple[float, float], ...],
    white: tuple[float, float] = _D65,
    curve: tuple[float, ...] = _SRGB_CURVE,
) -> bytes:
    """Returns an ICC profile (version 4) of an RGB space.

    Args:
      name: that viewers show, in ASCII.
      primaries: CIE xy of red, green and blue.
      white: its CIE xy.
      curve: to linear light: a gamma alone, or g, a, b, c, d with y = (a x + b)^g from d, and c x
        below.
    """

    def fixed(*numbers: float) -> bytes:
        return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))

    def text(content: str) -> bytes:
        encoded = content.encode("utf-16-be")
        return (
            b"mluc" + struct.pack(">3I2s2sII", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded
        )

    matrix = _primaries_to_pcs(primaries, white)
    light = b"para" + struct.pack(">IHH", 0, 0 if len(curve) == 1 else 3, 0) + fixed(*curve)
    tags = {
        b"desc": text(name),
        b"cprt": text("CC0"),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(*_PCS_WHITE),
        **{
            colour + b"XYZ": b"XYZ \0\0\0\0" + fixed(*matrix[:, index])
            for index, colour in enumerate((b"r", b"g", b"b"))
        },
        b"rTRC": light,
        b"gTRC": light,
        b"bTRC": light,
    }
    table, content = struct.pack(">I", len(tags)), b""
    behind = 128 + 4 + 12 * len(tags)
    for key, tag in tags.items():
        table += key + struct.pack(">II", behind + len(content), len(tag))
        content += tag + bytes(-len(tag) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sI4sIQI", behind + len(content), b"", 0x04000000, b"mntr", b"RGB ",
        b"XYZ ", 2020, 1, 1, 0, 0, 0, b"acsp", b"", 0, b"", 0, 0, 0,
    ) + fixed(*_PCS_WHITE)  # fmt: skip
    return header.ljust(128, b"\0") + table + content
