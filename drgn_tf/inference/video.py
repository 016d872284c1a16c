"""Videos, frame by frame, with steady brightness.

Judged by itself, each frame would come out a little brighter or darker than the one
before. What sets the brightness is the thumbnail, so that is what is kept steady: a
running mean over the frames, begun anew where the scene changes.
"""

from __future__ import annotations

import math
import pathlib
import shutil
from collections.abc import Callable

import cv2
import numpy as np

from drgn_tf.errors import BadImageError
from drgn_tf.files import ModelFileError, NotWrittenError, atomic_path
from drgn_tf.images.opening import MAX_MEGAPIXELS
from drgn_tf.inference.enhancer import Enhancer
from drgn_tf.inference.video_files import (
    VideoFile,
    count_frames,
    inspect_video,
    open_video,
)

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
# Bytes left on the disk at which writing stops, rather than go on for nothing.
_LEAST_FREE = 2**20
# Over so many seconds the view of the scene follows.
_FOLLOWING = 1.0
# A cut: the mean absolute difference of two thumbnails over the mean of both.
_CUT = 0.5


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
    max_megapixels: float = MAX_MEGAPIXELS,
    keep_readable: bool = False,
) -> None:
    """Enhances a video; one frame at a time is in memory. Sound is not kept.

    Args:
      enhancer: network; its artefact takes thumbnails.
      source: anything that OpenCV reads.
      target: an .mp4 file (MPEG-4 Part 2).
      start: told the number of frames; returns what is called after each.
      max_megapixels: videos of larger frames are refused.
      keep_readable: of a damaged video, enhance what is before the damage.

    Raises:
      BadImageError: the video cannot be read, or not to its end. With `keep_readable`, what is
        before the damage has been written then.
      ModelFileError: the artefact takes no thumbnail, so brightness cannot be kept steady.
      NotWrittenError: it cannot be written.
    """
    if enhancer.driver.thumbnail_size is None:
        raise ModelFileError(
            f"{enhancer.driver.path}: cannot keep a video steady; give a 'tiled' file, which "
            "takes a thumbnail too."
        )
    video = inspect_video(source, max_megapixels)
    readable = video.describe_readable()
    if video.damaged and not keep_readable:
        raise BadImageError(
            f"{source}: is damaged, {readable}; replace it, or give --keep_readable to enhance "
            "that part."
        )
    with atomic_path(target) as beside:
        _write_enhanced(enhancer, video, beside, target, start(video.frames))
        written = count_frames(beside)
        if written != video.frames:
            raise NotWrittenError(
                f"{target}: cannot be written ({written} of {video.frames} frames can be read "
                "back); make room and give the same command again."
            )
    if video.damaged:
        raise BadImageError(f"{source}: is damaged, {readable}; {target} holds that part.")


def _write_enhanced(
    enhancer: Enhancer,
    video: VideoFile,
    beside: pathlib.Path,
    target: pathlib.Path,
    on_frame: Callable[[], None],
) -> None:
    steady = SteadyThumbnail(video.rate)
    reader, writer = open_video(video.path), None
    try:
        for _ in range(video.frames):
            read, frame = reader.read()
            if not read:
                raise BadImageError(f"{video.path}: has changed while it was read; try again.")
            if writer is None:
                writer = cv2.VideoWriter(
                    str(beside),
                    cv2.CAP_FFMPEG,
                    cv2.VideoWriter_fourcc(*"mp4v"),
                    video.rate,
                    frame.shape[1::-1],
                )
                if not writer.isOpened():
                    raise NotWrittenError(f"{target}: this video cannot be written here.")
            photo = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            enhanced = enhancer(photo, steady(enhancer.thumbnail(photo)))
            # OpenCV does not tell when the disk is full.
            if shutil.disk_usage(beside.parent).free < _LEAST_FREE:
                raise NotWrittenError(
                    f"{target}: cannot be written (the disk is full); make room and give the same "
                    "command again."
                )
            writer.write(cv2.cvtColor(enhanced, cv2.COLOR_RGB2BGR))
            on_frame()
    finally:
        reader.release()
        if writer is not None:
            writer.release()
