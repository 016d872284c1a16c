"""Videos by PyAV: frames at their times, and everything else in the file as it is.

Sound, subtitles and chapters are copied packet by packet, where the container takes them. PyAV's
wheels hold x264 and x265, so what is made with them is under the GPL; it is an extra.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from drgn_tf.errors import BadImageError, UserError
from drgn_tf.inference import video_colours

_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
# FFmpeg's names of containers, and how they are written.
_MUXERS: dict[str, tuple[str, dict[str, str]]] = {
    # The index comes first, so that players begin before they have all of it.
    ".mp4": ("mp4", {"movflags": "+faststart"}),
    ".mkv": ("matroska", {}),
}
# Kinds of streams that are copied.
_COPIED = ("audio", "subtitle", "attachment")
_FRAMES_PER_SECOND = Fraction(30)


@dataclasses.dataclass(frozen=True)
class DecodedFrame:
    """A frame of a video.

    Attributes:
      pixels: uint8 or uint16 [H, W, 3] in stored order.
      frame: as it was decoded, with its time and the names of its colours.
    """

    pixels: np.ndarray
    frame: VideoFrame


class VideoReader:
    """Reads a video that is open.

    Args:
      file: of the video.
      path: of the file, for errors.
      demuxer: FFmpeg's name of the only container that may be read.
    """

    def __init__(self, file: BinaryIO, path: pathlib.Path, demuxer: str):
        self._path = path
        # AVI counts frames, and says of none when it is shown.
        self._counted = demuxer == "avi"
        self._size: tuple[int, int] | None = None
        try:
            self.container = av.open(
                file, "r", format=demuxer, metadata_errors="replace", options={"enable_drefs": "0"}
            )
            self.stream: VideoStream = self.container.streams.video[0]
        except (av.error.FFmpegError, IndexError) as error:
            raise BadImageError(f"{path}: cannot be read as a video; replace it.") from error
        self.stream.thread_type = "AUTO"

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *arguments: object) -> None:
        self.container.close()

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self.stream.average_rate or self.stream.guessed_rate or _FRAMES_PER_SECOND

    def copied_streams(self) -> list[Any]:
        """Returns the streams that are no pictures and may be copied."""
        return [stream for stream in self.container.streams if stream.type in _COPIED]

    def left_streams(self) -> list[str]:
        """Returns what else there is, such as "data"."""
        return sorted(
            {
                stream.type
                for stream in self.container.streams
                if stream.type not in _COPIED and stream is not self.stream
            }
        )

    def items(self, frames: int, damaged: bool) -> Iterator[DecodedFrame | Packet[Any]]:
        """Yields frames and the packets of other streams, in the order of the file.

        Args:
          frames: so many can be decoded.
          damaged: whether others follow that cannot, or not well. Packets end with the frames then.

        Raises:
          BadImageError: frames of different sizes, or for HDR screens; or not so many frames.
        """
        found = 0
        streams = [self.stream, *self.copied_streams()]
        last = float("-inf")
        for packet in self._packets(streams):
            if packet.stream is not self.stream:
                if not damaged or found < frames or _begin(packet) <= last:
                    yield packet
                continue
            # A packet that cannot be decoded costs the frames in it.
            with contextlib.suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    if found == frames:
                        break
                    if self._counted:
                        frame.pts, frame.time_base = found, 1 / self.rate
                    found += 1
                    last = frame.time or last
                    self._check(frame)
                    yield DecodedFrame(video_colours.to_rgb(frame), frame)
        if found < frames:
            raise BadImageError(f"{self._path}: has changed while it was read; try again.")

    def _packets(self, streams: list[Any]) -> Iterator[Packet[Any]]:
        # A damaged file ends in the middle of a packet; its frames were counted before.
        with contextlib.suppress(av.error.FFmpegError):
            yield from self.container.demux(*streams)

    def _check(self, frame: VideoFrame) -> None:
        size = frame.width, frame.height
        if self._size is not None and self._size != size:
            raise BadImageError(
                f"{self._path}: its frames change from {self._size[0]}x{self._size[1]} to "
                f"{size[0]}x{size[1]} pixels; save it in one size."
            )
        self._size = size
        if transfer := video_colours.hdr_transfer(frame):
            raise BadImageError(f"{self._path}: is HDR ({transfer}); convert it to SDR.")


def _begin(packet: Packet[Any]) -> float:
    moment = packet.pts if packet.pts is not None else packet.dts
    return float("-inf") if moment is None else float(moment * packet.time_base)


@contextlib.contextmanager
def written_to(target: pathlib.Path) -> Iterator[None]:
    """Makes one line of what goes wrong while a video is written.

    Raises:
      UserError: it went wrong.
    """
    try:
        yield
    except av.error.FFmpegError as error:
        raise UserError(
            f"{target}: cannot be written ({error.strerror}); make room, or choose another "
            "--output_dir, and give the same command again."
        ) from error


class VideoWriter:
    """Writes a video with the sound and all else of the one that it is made of.

    Args:
      path: of the new file.
      suffix: of the container, ".mp4" or ".mkv".
      reader: of the video that is enhanced.
      codec: "h264", "hevc", or "auto": HEVC where the video has more than 8 bits, which H.264 has
        too, but few players.
      quality: constant rate factor, 0 to 51, lower is better.

    Attributes:
      left_out: kinds of streams that the container does not take.
    """

    def __init__(
        self, path: pathlib.Path, suffix: str, reader: VideoReader, codec: str, quality: int
    ):
        muxer, options = _MUXERS[suffix]
        self._reader, self._codec, self._quality = reader, codec, quality
        self._container = av.open(
            str(path.absolute()), "w", format=muxer, options=options, metadata_errors="replace"
        )
        self._container.metadata.update(reader.container.metadata)
        self._container.set_chapters(reader.container.chapters())
        self.left_out = set(reader.left_streams())
        self._video: VideoStream | None = None
        self._copies: dict[int, Any] = {}
        # The first frame tells what the video is like; before it nothing can be written.
        self._waiting: list[Packet[Any]] = []
        self._last: int | None = None

    def write(self, pixels: np.ndarray, frame: VideoFrame) -> None:
        """Writes the pixels [H, W, 3] that were made of a frame, at its time."""
        if self._video is None:
            self._video = self._new_video(frame)
            self._add_copies()
            for packet in self._waiting:
                self.copy(packet)
            self._waiting.clear()
        context = self._video.codec_context
        assert context.pix_fmt is not None
        made = video_colours.from_rgb(pixels, frame, context.pix_fmt)
        made.time_base = context.time_base
        moment = frame.pts
        if moment is None or (self._last is not None and moment <= self._last):
            # Some files do not say; a frame's time is its place.
            step = 1 / (self._reader.rate * made.time_base)
            moment = 0 if self._last is None else self._last + max(1, round(step))
        made.pts = self._last = moment
        made.duration = frame.duration
        self._container.mux(self._video.encode(made))

    def copy(self, packet: Packet[Any]) -> None:
        """Writes a packet of another stream."""
        if self._video is None:
            self._waiting.append(packet)
            return
        copy = self._copies.get(packet.stream.index)
        # What ends a stream has no time.
        if copy is not None and packet.dts is not None:
            packet.stream = copy
            self._container.mux(packet)

    def finish(self) -> None:
        """Writes what is left; the video is whole then."""
        if self._video is not None:
            self._container.mux(self._video.encode(None))
        self._container.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *arguments: object) -> None:
        # Of a video that is given up, what is left may fail to be written again.
        with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()

    def _add_copies(self) -> None:
        for stream in self._reader.copied_streams():
            context = stream.codec_context
            if context is None or context.name not in self._container.supported_codecs:
                self.left_out.add(stream.type)
                continue
            copy = self._container.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            self._copies[stream.index] = copy

    def _new_video(self, frame: VideoFrame) -> VideoStream:
        bits = video_colours.bits_of(frame.format)
        codec = self._codec
        if codec == "auto":
            codec = "hevc" if bits > 8 else "h264"
        options = {"crf": str(self._quality), "preset": "medium"}
        if codec == "hevc":
            options["x265-params"] = "log-level=none"
        stream = self._container.add_stream(
            _ENCODERS[codec], rate=self._reader.rate, options=options
        )
        assert isinstance(stream, VideoStream)
        context, source = stream.codec_context, self._reader.stream
        context.width, context.height = frame.width, frame.height
        # Half as many chroma values need an even size.
        chroma = "444" if frame.width % 2 or frame.height % 2 else "420"
        context.pix_fmt = f"yuv{chroma}p" + ("10le" if bits > 8 else "")
        context.time_base = stream.time_base = frame.time_base or 1 / self._reader.rate
        if source.sample_aspect_ratio:
            context.sample_aspect_ratio = source.sample_aspect_ratio
        video_colours.name_colours(context, frame)
        if codec == "hevc" and self._container.format.name == "mp4":
            # As Apple's players want it.
            context.codec_tag = "hvc1"
        if frame.rotation:
            stream.set_display_rotation(frame.rotation)
        stream.metadata.update(source.metadata)
        return stream
