"""Videos, frame by frame, with steady brightness.

Each frame is enhanced to a given brightness: the predicted one, smoothed over time by
`drgn_tf.inference.steady`. A network that takes no brightness chooses that of each frame by
itself, and the video may flicker.

PyAV (the extra `video`) reads and writes, decoding, enhancing and encoding at once, and copies
sound and subtitles. Without it OpenCV does, frame after frame and without sound.
"""

from __future__ import annotations

import collections
import dataclasses
import importlib.util
import pathlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np

from drgn_tf.errors import BadImageError, UserError
from drgn_tf.files import atomic_path
from drgn_tf.images.opening import MAX_MEGAPIXELS, regular_file
from drgn_tf.inference.enhancer import Enhancer
from drgn_tf.inference.steady import SteadyBrightness
from drgn_tf.inference.video_files import VideoFile, count_frames, inspect_video, open_video

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
CODECS = ("auto", "h264", "hevc")
# What results lack where PyAV is not installed.
WITHOUT_PYAV = "sound and subtitles of videos, which pip install 'drgn-tf[video]' keeps"
# Bytes left on the disk at which writing stops, rather than go on for nothing.
_LEAST_FREE = 2**20
# Frames that are decoded before they are needed, and that wait to be encoded.
_AHEAD = 3

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class VideoOptions:
    """How videos are written by PyAV.

    Attributes:
      codec: of `CODECS`; auto is HEVC for more than 8 bits, which few players take in H.264.
      quality: constant rate factor (CRF), 0 to 51; lower is better and larger.
    """

    codec: str = "auto"
    quality: int = 18


def suffix_of_result(suffix: str) -> str:
    """Returns the suffix of what is made of a video with this one, in lower case."""
    # What MKV and WebM hold beside pictures, MP4 takes in part.
    matroska = suffix in (".mkv", ".webm") and _has_pyav()
    return ".mkv" if matroska else ".mp4"


def _has_pyav() -> bool:
    return importlib.util.find_spec("av") is not None


def enhance_video(
    enhancer: Enhancer,
    source: pathlib.Path,
    target: pathlib.Path,
    start: Callable[[int], Callable[[], object]] = lambda frames: lambda: None,
    exposure: float = 0.0,
    brightness: float | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    keep_readable: bool = False,
    options: VideoOptions = VideoOptions(),
) -> list[str]:
    """Enhances a video; a few frames are in memory.

    Args:
      enhancer: network; steady if its artefact takes thumbnails and a brightness.
      source: a video of `SUFFIXES`.
      target: an .mp4 or, with PyAV, .mkv file. By OpenCV it holds MPEG-4 Part 2.
      start: told the number of frames; returns what is called after each.
      exposure: see `Enhancer`.
      brightness: of all frames; by default the predicted one, steadied.
      max_megapixels: videos of larger frames are refused.
      keep_readable: of a damaged video, enhance what is before the damage.
      options: of what PyAV writes.

    Returns:
      What the result lacks, for messages.

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
    on_frame = start(video.frames)

    def enhance(photo: np.ndarray) -> np.ndarray:
        enhanced = enhancer(photo, exposure, aim)
        on_frame()
        return enhanced

    with atomic_path(target) as beside:
        if _has_pyav():
            left_out = _write_streams(enhance, video, beside, target, options)
        else:
            left_out = [WITHOUT_PYAV]
            _write_by_opencv(enhance, video, beside, target)
        written = count_frames(beside)
        if written != video.frames:
            raise UserError(
                f"{target}: cannot be written ({written} of {video.frames} frames can be read "
                "back); make room and give the same command again."
            )
    if video.damaged:
        raise BadImageError(f"{source}: is damaged, {readable}; {target} holds that part.")
    return left_out


def _write_streams(
    enhance: Callable[[np.ndarray], np.ndarray],
    video: VideoFile,
    beside: pathlib.Path,
    target: pathlib.Path,
    options: VideoOptions,
) -> list[str]:
    """Decodes and encodes in threads of their own; returns what was left out."""
    from drgn_tf.inference.video_streams import DecodedFrame, VideoReader, VideoWriter, written_to

    with (
        regular_file(video.path) as file,
        VideoReader(file, video.path, video.demuxer) as reader,
        written_to(target),
        VideoWriter(beside, target.suffix, reader, options.codec, options.quality) as writer,
        ThreadPoolExecutor(1) as decoding,
        ThreadPoolExecutor(1) as encoding,
    ):
        writing: collections.deque[Future[None]] = collections.deque()
        for item in _ahead(reader.items(video.frames, video.damaged), decoding):
            if isinstance(item, DecodedFrame):
                _check_disk(beside, target)
                writing.append(encoding.submit(writer.write, enhance(item.pixels), item.frame))
            else:
                writing.append(encoding.submit(writer.copy, item))
            while len(writing) > _AHEAD:
                writing.popleft().result()
        for written in writing:
            written.result()
        writer.finish()
        return [f"{kind} of videos" for kind in sorted(writer.left_out)]


def _ahead(items: Iterator[Item], executor: ThreadPoolExecutor) -> Iterator[Item]:
    """Yields items, of which the next few are made meanwhile in the executor's only thread."""
    pending = collections.deque(executor.submit(next, items, None) for _ in range(_AHEAD))
    while (item := pending.popleft().result()) is not None:
        pending.append(executor.submit(next, items, None))
        yield item


def _check_disk(beside: pathlib.Path, target: pathlib.Path) -> None:
    # OpenCV does not tell when the disk is full, and encoders tell late.
    if shutil.disk_usage(beside.parent).free < _LEAST_FREE:
        raise UserError(
            f"{target}: cannot be written (the disk is full); make room and give the same command "
            "again."
        )


def _write_by_opencv(
    enhance: Callable[[np.ndarray], np.ndarray],
    video: VideoFile,
    beside: pathlib.Path,
    target: pathlib.Path,
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
            enhanced = enhance(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            _check_disk(beside, target)
            writer.write(cv2.cvtColor(enhanced, cv2.COLOR_RGB2BGR))
    finally:
        reader.release()
        if writer is not None:
            writer.release()
