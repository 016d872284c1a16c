"""Films that tests make, and a network that leaves them as they are."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from fractions import Fraction

import av
import numpy as np

# Milliseconds, so that frames can come at any.
CLOCK = Fraction(1, 1000)
SOUND = 8000


@dataclasses.dataclass(frozen=True)
class Film:
    """How a film is made.

    Attributes:
      times: of its frames, in milliseconds.
      size: (width, height).
    """

    pixel_format: str = "yuv420p"
    codec: str = "libx264"
    size: tuple[int, int] = (96, 64)
    times: tuple[int, ...] = tuple(range(0, 1200, 100))
    rotation: int = 0
    full: bool = False
    transfer: int = 1
    sound: bool = True
    subtitles: bool = False


def make(path: pathlib.Path, photo: np.ndarray, film: Film) -> pathlib.Path:
    """Makes a film of a photo over which a window moves, with a tone."""
    width, height = film.size
    with contextlib.ExitStack() as files:
        out = files.enter_context(av.open(str(path), "w"))
        rate = Fraction(len(film.times) * 1000, film.times[-1] + 100)
        pictures = out.add_stream(film.codec, rate=rate, options={"crf": "1"})
        pictures.width, pictures.height = film.size
        pictures.pix_fmt = film.pixel_format
        context = pictures.codec_context
        if path.suffix != ".avi":
            context.time_base = CLOCK
        if film.codec == "libx265":
            context.options = {"crf": "1", "x265-params": "log-level=none"}
        context.colorspace = context.color_primaries = 1
        context.color_trc, context.color_range = film.transfer, 2 if film.full else 1
        if film.rotation:
            pictures.set_display_rotation(film.rotation)
        tone = out.add_stream("aac", rate=SOUND, layout="mono") if film.sound else None
        if film.subtitles:
            (path.parent / "film.srt").write_text(
                "1\n00:00:00,100 --> 00:00:01,000\nWho is there?\n"
            )
            spoken = files.enter_context(av.open(str(path.parent / "film.srt")))
            words = out.add_stream_from_template(spoken.streams[0])
        out.metadata["title"] = "Night"
        out.set_chapters([{"id": 1, "start": 0, "end": 500, "time_base": CLOCK,
                           "metadata": {"title": "Dusk"}}])  # fmt: skip
        for index, time in enumerate(film.times):
            window = np.ascontiguousarray(photo[index : index + height, 100 : 100 + width])
            frame = av.VideoFrame.from_ndarray(window, format="rgb24")
            frame = frame.reformat(format=film.pixel_format, dst_colorspace=1,
                                   dst_color_range=2 if film.full else 1)  # fmt: skip
            frame.pts, frame.time_base = time, CLOCK
            if path.suffix == ".avi":
                frame.pts, frame.time_base = index, 1 / rate
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        if tone is not None:
            wave = np.sin(np.arange(SOUND * (film.times[-1] + 100) // 1000) / 3) / 4
            sound = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
            sound.sample_rate, sound.pts = SOUND, 0
            out.mux(tone.encode(sound))
            out.mux(tone.encode(None))
        if film.subtitles:
            for packet in spoken.demux():
                if packet.size:
                    packet.stream = words
                    out.mux(packet)
    return path


class Untold:
    path, thumbnail_size, takes_brightness = "net", None, False


class Unchanged:
    """In place of an enhancer: what comes out is what went in."""

    driver = Untold()

    def __call__(self, pixels, exposure, brightness):
        return pixels
