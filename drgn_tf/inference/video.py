"""Videos, frame by frame, with steady brightness.

Judged by itself, each frame would come out a little brighter or darker than the one
before. What sets the brightness is the thumbnail, so that is what is kept steady: a
running mean over the frames, begun anew where the scene changes.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable

import cv2
import numpy as np

from drgn_tf.files import ModelFileError, NotWrittenError, atomic_path
from drgn_tf.images.photos import BadImageError
from drgn_tf.inference.enhancer import Enhancer

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
# Over so many seconds the view of the scene follows.
_FOLLOWING = 1.0
# A cut: the mean absolute difference of two thumbnails over the mean of both.
_CUT = 0.5
# Where a video does not say.
_FRAMES_PER_SECOND = 30.0


class SteadyThumbnail:
    """A running mean of the thumbnails of frames, begun anew at cuts.

    Args:
      frames_per_second: of the video.
    """

    def __init__(self, frames_per_second: float):
        self._keep = math.exp(-1.0 / (_FOLLOWING * frames_per_second))
        self._mean: np.ndarray | None = None

    def __call__(self, thumbnail: np.ndarray) -> np.ndarray:
        """Takes the next frame's [1, T, T, 3] and returns the steady one."""
        mean = self._mean
        if mean is not None:
            difference = np.abs(thumbnail - mean).mean()
            if difference < _CUT * (thumbnail.mean() + mean.mean()) / 2:
                thumbnail = self._keep * mean + (1.0 - self._keep) * thumbnail
        self._mean = thumbnail.astype(np.float32)
        return self._mean


def enhance_video(
    enhancer: Enhancer,
    source: pathlib.Path,
    target: pathlib.Path,
    start: Callable[[int], Callable[[], None]] = lambda frames: lambda: None,
) -> None:
    """Enhances a video; one frame at a time is in memory. Sound is not kept.

    Args:
      enhancer: network; its artefact takes thumbnails.
      source: anything that OpenCV reads.
      target: an .mp4 file (MPEG-4 Part 2).
      start: told the number of frames, 0 if unknown; returns what is called after each.

    Raises:
      BadImageError: the video cannot be read.
      ModelFileError: the artefact takes no thumbnail, so brightness cannot be kept steady.
      NotWrittenError: it cannot be written.
    """
    if enhancer.driver.thumbnail_size is None:
        raise ModelFileError(
            f"{enhancer.driver.path}: cannot keep a video steady; give a 'tiled' file, which "
            "takes a thumbnail too."
        )
    reader = cv2.VideoCapture(str(source))
    try:
        _copy_enhanced(enhancer, reader, source, target, start)
    finally:
        reader.release()


def _copy_enhanced(enhancer, reader, source, target, start) -> None:
    read, frame = reader.read()
    if not read:
        raise BadImageError(f"{source}: is damaged or no video; replace or remove it.")
    rate = reader.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < 1000 else _FRAMES_PER_SECOND
    on_frame = start(max(0, int(reader.get(cv2.CAP_PROP_FRAME_COUNT))))
    steady = SteadyThumbnail(rate)
    height, width = frame.shape[:2]
    with atomic_path(target) as beside:
        writer = cv2.VideoWriter(
            str(beside), cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height)
        )
        try:
            if not writer.isOpened():
                raise NotWrittenError(f"{target}: this video cannot be written here.")
            while read:
                photo = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                enhanced = enhancer(photo, steady(enhancer.thumbnail(photo)))
                writer.write(cv2.cvtColor(enhanced, cv2.COLOR_RGB2BGR))
                on_frame()
                read, frame = reader.read()
        finally:
            writer.release()
