"""Frames of videos to RGB and back, without drift.

FFmpeg's own conversion of 8 bits comes back one or two levels darker. Here FFmpeg only gives
chroma the resolution of luma, in 16 bits; matrix, range and rounding are arithmetic in float32.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from drgn_tf.images.photos import to_float
from drgn_tf.inference.enhancer import to_dtype

# Of ITU-T H.273, as files name them.
_BT709 = 1
_HDR = {16: "PQ", 18: "HLG"}
_LIMITED, _FULL = 1, 2
# Shares of red and blue in luma; of BT.709, of BT.601 under its two numbers, of FCC, of SMPTE 240M,
# and of BT.2020.
_LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
# Lines from which players take a video that names no matrix as BT.709.
_HIGH_DEFINITION = 720
# 16 bits a value; those of fewer bits are shifted up.
_EXCHANGED = "yuv444p16le"
_MIDDLE = 32768.0


def hdr_transfer(frame: VideoFrame) -> str | None:
    """Returns the name of a frame's transfer function for HDR screens; None if it has another."""
    return _HDR.get(int(frame.color_trc or 0))


def bits_of(pixel_format: VideoFormat) -> int:
    """Returns the bits of a value."""
    return max(component.bits for component in pixel_format.components)


def to_rgb(frame: VideoFrame) -> np.ndarray:
    """Returns the pixels of a frame as it is stored.

    Returns:
      [H, W, 3]: uint8 of up to 8 bits, uint16 of more.
    """
    deep = bits_of(frame.format) > 8
    if not _is_yuv(frame.format):
        return frame.to_ndarray(format="rgb48le" if deep else "rgb24")
    values = frame.reformat(format=_EXCHANGED).to_ndarray(format=_EXCHANGED)
    matrix = _to_rgb_matrix(_matrix_of(frame), _is_full(frame), bits_of(frame.format))
    light = cv2.transform(values.astype(np.float32), matrix)
    return to_dtype(np.dtype(np.uint16 if deep else np.uint8))(light)


def from_rgb(pixels: np.ndarray, like: VideoFrame, pixel_format: str) -> VideoFrame:
    """Returns a frame of pixels, with the matrix, range and names of colours of another one.

    Args:
      pixels: uint8 or uint16 [H, W, 3].
      like: frame of the same size.
      pixel_format: yuv420p, yuv444p, or one of these with 10le, for 10 bits.
    """
    bits = bits_of(VideoFormat(pixel_format))
    full = _is_yuv(like.format) and _is_full(like)
    back = _from_rgb_matrix(_matrix_of(like), full, bits)
    planes = cv2.split(cv2.transform(to_float(pixels), back))
    height, width = pixels.shape[:2]
    halved = pixel_format.startswith("yuv420p")
    if halved:
        # As FFmpeg takes chroma to lie: in the middle of four pixels.
        half = (width // 2, height // 2)
        planes = [
            planes[0],
            *(cv2.resize(x, half, interpolation=cv2.INTER_AREA) for x in planes[1:]),
        ]
    levels = [
        np.clip(plane + np.float32(0.5), 0, (1 << bits) - 1).astype(
            np.uint8 if bits == 8 else np.uint16
        )
        for plane in planes
    ]
    if halved:
        whole = np.concatenate([plane.ravel() for plane in levels]).reshape(-1, width)
        frame = VideoFrame.from_ndarray(whole, format=pixel_format)
    elif bits == 8:
        frame = VideoFrame.from_ndarray(np.stack(levels), format=pixel_format)
    else:
        shifted = np.stack(levels, axis=-1) << np.uint16(16 - bits)
        frame = VideoFrame.from_ndarray(shifted, format=_EXCHANGED).reformat(format=pixel_format)
    name_colours(frame, like)
    return frame


def name_colours(target: Any, like: VideoFrame) -> None:
    """Gives a frame or an encoder the names of a frame's colours; of RGB become those of BT.709."""
    if _is_yuv(like.format):
        target.colorspace, target.color_range = int(like.colorspace), int(like.color_range)
        target.color_primaries, target.color_trc = like.color_primaries, like.color_trc
    else:
        target.colorspace, target.color_range = _BT709, _LIMITED


def _is_yuv(pixel_format: VideoFormat) -> bool:
    return not pixel_format.is_rgb and len(pixel_format.components) >= 3


def _is_full(frame: VideoFrame) -> bool:
    return int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj")


def _matrix_of(frame: VideoFrame) -> int:
    if not _is_yuv(frame.format):
        return _BT709
    named = int(frame.colorspace)
    if named in _LUMA:
        return named
    return _BT709 if frame.height >= _HIGH_DEFINITION else 6


@functools.cache
def _to_rgb_matrix(matrix: int, full: bool, bits: int) -> np.ndarray:
    """Returns float32 [3, 4]: from 16 bits of Y, Cb, Cr to R, G, B in [0, 1]."""
    red, blue = _LUMA[matrix]
    green = 1 - red - blue
    from_yuv = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    black, luma, chroma = _scales(full, bits)
    scaled = from_yuv / np.array([luma, chroma, chroma])
    offset = scaled @ np.array([black, _MIDDLE, _MIDDLE])
    return np.column_stack([scaled, -offset]).astype(np.float32)


@functools.cache
def _from_rgb_matrix(matrix: int, full: bool, bits: int) -> np.ndarray:
    """Returns float32 [3, 4]: from R, G, B in [0, 1] to levels of Y, Cb, Cr of so many bits."""
    red, blue = _LUMA[matrix]
    luma_row = np.array([red, 1 - red - blue, blue])
    to_yuv = np.stack(
        [
            luma_row,
            (np.array([0, 0, 1]) - luma_row) / (2 * (1 - blue)),
            (np.array([1, 0, 0]) - luma_row) / (2 * (1 - red)),
        ]
    )
    black, luma, chroma = _scales(full, bits)
    shift = 2.0 ** (bits - 16)
    scaled = to_yuv * np.array([[luma], [chroma], [chroma]]) * shift
    offset = np.array([black, _MIDDLE, _MIDDLE]) * shift
    return np.column_stack([scaled, offset]).astype(np.float32)


def _scales(full: bool, bits: int) -> tuple[float, float, float]:
    """Returns black, and the range of luma and chroma, in 16 bits."""
    if full:
        top = float(((1 << bits) - 1) << (16 - bits))
        return 0.0, top, top
    return 16 * 256.0, 219 * 256.0, 224 * 256.0
