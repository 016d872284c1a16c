"""Videos, frame by frame, with steady brightness.

Each frame is enhanced to a given brightness: the predicted one, smoothed over time by
`drgn_tf.inference.steady`. A network that takes no brightness chooses that of each frame by
itself, and the video may flicker.
"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

import cv2
import numpy as np

from drgn_tf.errors import BadImageError, UserError
from drgn_tf.files import atomic_path
from drgn_tf.images.opening import MAX_MEGAPIXELS
from drgn_tf.inference.enhancer import Enhancer
from drgn_tf.inference.steady import SteadyBrightness
from drgn_tf.inference.video_files import VideoFile, count_frames, inspect_video, open_video

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
# Bytes left on the disk at which writing stops, rather than go on for nothing.
_LEAST_FREE = 2**20


def enhance_video(
    enhancer: Enhancer,
    source: pathlib.Path,
    target: pathlib.Path,
    start: Callable[[int], Callable[[], object]] = lambda frames: lambda: None,
    exposure: float = 0.0,
    brightness: float | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    keep_readable: bool = False,
) -> None:
    """Enhances a video; one frame at a time is in memory. Sound is not kept.

    Args:
      enhancer: network; steady if its artefact takes thumbnails and a brightness.
      source: anything that OpenCV reads.
      target: an .mp4 file (MPEG-4 Part 2).
      start: told the number of frames; returns what is called after each.
      exposure: see `Enhancer`.
      brightness: of all frames; by default the predicted one, steadied.
      max_megapixels: videos of larger frames are refused.
      keep_readable: of a damaged video, enhance what is before the damage.

    Raises:
      BadImageError: the video cannot be read, or not to its end. With `keep_readable`, what is
        before the damage has been written then.
      ModelFileError: the artefact cannot take frames of this size, or no brightness where one
        or an exposure is asked for.
      UserError: it cannot be written.
    """
    driver = enhancer.driver
    video = inspect_video(source, max_megapixels)
    readable = video.describe_readable()
    if video.damaged and not keep_readable:
        raise BadImageError(
            f"{source}: is damaged, {readable}; replace it, or give --keep_readable to enhance "
            "that part."
        )
    steady = SteadyBrightness(video.rate)

    def steadied(thumbnail: np.ndarray) -> float:
        return steady(thumbnail, driver.predicted_brightness(thumbnail))

    aim: float | Callable[[np.ndarray], float] | None = brightness
    if aim is None and driver.takes_brightness and driver.thumbnail_size is not None:
        aim = steadied
    with atomic_path(target) as beside:
        _write_enhanced(enhancer, video, beside, target, start(video.frames), exposure, aim)
        written = count_frames(beside)
        if written != video.frames:
            raise UserError(
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
    on_frame: Callable[[], object],
    exposure: float,
    brightness: float | Callable[[np.ndarray], float] | None,
) -> None:
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
                    cv2.VideoWriter.fourcc(*"mp4v"),
                    video.rate,
                    frame.shape[1::-1],
                )
                if not writer.isOpened():
                    raise UserError(f"{target}: this video cannot be written here.")
            photo = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            enhanced = enhancer(photo, exposure, brightness)
            # OpenCV does not tell when the disk is full.
            if shutil.disk_usage(beside.parent).free < _LEAST_FREE:
                raise UserError(
                    f"{target}: cannot be written (the disk is full); make room and give the same "
                    "command again."
                )
            writer.write(cv2.cvtColor(enhanced, cv2.COLOR_RGB2BGR))
            on_frame()
    finally:
        reader.release()
        if writer is not None:
            writer.release()
