"""Video files: what they hold, and how much of it can be read.

OpenCV reads on over damage and ends without a word where it can go no further. So a video
is read through once before anything is made of it, which costs next to nothing beside
enhancing it, and what was found is held against what the file says of itself.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable
from typing import BinaryIO

# Before the first video is opened: FFmpeg's notes would bury our lines.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

from drgn_tf.errors import BadImageError
from drgn_tf.images.opening import MAX_MEGAPIXELS, check_size, regular_file

# Where a video does not say.
_FRAMES_PER_SECOND = 30.0
# Bytes a pixel: a frame as it is decoded, enhanced and encoded, several at once.
_BYTES_PER_PIXEL = 32
# Seconds of frames that may be missing: the first ones of a video that was cut out of another.
_MISSING = 0.2
# Seconds that the sound may be longer, where a file says its length but counts no frames, ...
_LONGER = 1.0
# ... and between two frames of which none is missing there.
_GAP = 0.5
# Boxes of an MP4 file that are looked at; recordings in pieces have two a second.
_MOST_BOXES = 100_000


@dataclasses.dataclass(frozen=True)
class VideoFile:
    """A video of which at least one frame can be read.

    Attributes:
      path: of the file.
      demuxer: FFmpeg's name of its container.
      rate: frames per second.
      frames: that can be read, up to the first damage.
      end: in seconds, of these frames.
      length: in seconds, by what the file says.
      damaged: whether frames are missing behind `end`.
    """

    path: pathlib.Path
    demuxer: str
    rate: float
    frames: int
    end: float
    length: float
    damaged: bool

    def describe_readable(self) -> str:
        """Returns what can be read, for messages."""
        part = f"{_clock(self.end)} of {_clock(self.length)}"
        return f"can be read up to {part} ({self.frames} frames)"


def inspect_video(path: pathlib.Path, max_megapixels: float = MAX_MEGAPIXELS) -> VideoFile:
    """Reads a video through.

    Args:
      path: of the file.
      max_megapixels: larger frames are refused before one is decoded.

    Raises:
      BadImageError: it is no video, no regular file, or too large, or no frame can be read.
    """
    with regular_file(path) as file:
        head = file.read(16)
        container = next((c for c in _CONTAINERS if c.signature.match(head)), None)
        if container is None:
            raise BadImageError(
                f"{path}: is no MP4, MOV, MKV, WebM or AVI video by its content; convert or remove "
                "it."
            )
        size = os.fstat(file.fileno()).st_size
        cut = container.content_end(file, size) > size
    reader = open_video(path)
    try:
        width, height = (
            int(reader.get(x)) for x in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        check_size(path, width, height, max_megapixels, _BYTES_PER_PIXEL, size)
        rate = reader.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate < 1000 else _FRAMES_PER_SECOND
        said = max(0, int(reader.get(cv2.CAP_PROP_FRAME_COUNT)))
        frames, end, gap = _read_through(reader, rate)
    finally:
        reader.release()
    if not frames:
        raise BadImageError(
            f"{path}: is damaged, and no frame of it can be read; replace or remove it."
        )
    length = said / rate
    short = said - frames > max(1.0, _MISSING * rate)
    if short and not container.counts_frames:
        # The count is a guess from the length, and frames may come at any time.
        short = gap is not None or length - end > _LONGER
    # Of a file that lacks its end, all frames may be there.
    damaged = short or (cut and not 0 < said <= frames)
    if damaged and gap is not None:
        frames, end = gap
    return VideoFile(path, container.demuxer, rate, frames, end, max(length, end), damaged)


def open_video(path: pathlib.Path) -> cv2.VideoCapture:
    """Opens a video; one that cannot be opened gives no frame."""
    # By FFmpeg, because others take names with a % for series of photos. Absolute, because
    # FFmpeg takes a name like "http:a.mp4" for an address.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)


def count_frames(path: pathlib.Path) -> int:
    """Returns how many frames of a video can be read."""
    reader = open_video(path)
    try:
        return _read_through(reader, _FRAMES_PER_SECOND)[0]
    finally:
        reader.release()


def _clock(seconds: float) -> str:
    """Returns a time in a video, such as 0:01:23.4."""
    minutes, seconds = divmod(round(seconds, 1), 60)
    return f"{int(minutes) // 60}:{int(minutes) % 60:02}:{seconds:04.1f}"


def _read_through(
    reader: cv2.VideoCapture, rate: float
) -> tuple[int, float, tuple[int, float] | None]:
    """Returns the number of frames, the end of the last, and both of the first gap."""
    frames, end, gap = 0, 0.0, None
    while reader.grab():
        begin = reader.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if gap is None and frames and begin - end > _GAP:
            gap = frames, end
        frames += 1
        end = begin + 1 / rate
    return frames, end, gap


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Returns where the boxes of an MP4 file of this size end, by what they say."""
    end = 0
    for _ in range(_MOST_BOXES):
        if end > size:
            break
        file.seek(end)
        header = file.read(16)
        # Some cameras append what is no box.
        if not re.match(rb"....(ftyp|moov|mdat|moof|free|skip|wide|uuid|sidx|styp)", header, re.S):
            break
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if length < 8:
            # Up to the end of the file.
            break
        end += length
    return end


def _matroska_end(file: BinaryIO, size: int) -> int:
    """Returns where the segment of a Matroska file ends, by its header."""
    file.seek(4)
    for name in (None, b"\x18\x53\x80\x67"):
        if name is not None and file.read(4) != name:
            return 0
        first = file.read(1)
        # The leading zeros of the first byte tell how many follow.
        count = 8 - first[0].bit_length() if first else 8
        if count > 7:
            return 0
        value = int.from_bytes(bytes([first[0] & (0x7F >> count)]) + file.read(count), "big")
        if value == (1 << 7 * (count + 1)) - 1:
            # Unknown, as in a live recording.
            return 0
        if name is None:
            if value > size:
                return 0
            file.seek(value, os.SEEK_CUR)
    return file.tell() + value


def _avi_end(file: BinaryIO, size: int) -> int:
    """Returns where the first list of an AVI file ends, by its header."""
    file.seek(4)
    return int.from_bytes(file.read(4), "little")


@dataclasses.dataclass(frozen=True)
class _Container:
    demuxer: str
    signature: re.Pattern[bytes]
    content_end: Callable[[BinaryIO, int], int]
    counts_frames: bool


_CONTAINERS = (
    _Container(
        "mov", re.compile(rb"....(ftyp|moov|mdat|free|skip|wide|pnot)", re.S), _mp4_end, True
    ),
    _Container("matroska", re.compile(rb"\x1a\x45\xdf\xa3"), _matroska_end, False),
    _Container("avi", re.compile(rb"RIFF....AVI ", re.S), _avi_end, True),
)
