"""Measures videos: frames per second in each library, and memory over their length.

  python -m benchmarks.video --model=mobile --size=640x360 --frames=60
  python -m benchmarks.video --minutes=1,10

The film is a dark photo over which a window moves, with a tone, at ten frames per second. Speed is
that of a whole video, beside that of the network alone on the same frames, in turn, round after
round. Memory is the peak of a process of its own for each length, at 160x90 pixels.
"""

from __future__ import annotations

import importlib.util
import math
import multiprocessing
import pathlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import av
import numpy as np
from absl import flags

from benchmarks.photos import dark_photo
from benchmarks.report import Report, run
from benchmarks.timing import alternate
from drgn_tf.exports.measurement import forget_peak, peak_memory
from drgn_tf.inference import Enhancer, load_driver, video

_MODEL = flags.DEFINE_string("model", "mobile", "As of drgn-enhance.")
_SIZE = flags.DEFINE_string("size", "640x360", "WIDTHxHEIGHT of the frames, for speed.")
_FRAMES = flags.DEFINE_integer("frames", 60, "Of the film, for speed.", 2)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of measurements; medians are shown.", 1)
_MINUTES = flags.DEFINE_list("minutes", ["1", "10"], "Lengths, for memory; '' measures none.")

_RATE, _SOUND = 10, 48000
_SMALL = (160, 90)


def _frames(size: tuple[int, int]) -> Callable[[int], np.ndarray]:
    """Returns what gives the frames of a film by their number."""
    width, height = size
    wide = dark_photo(height + 32, width + 32)

    def frame(number: int) -> np.ndarray:
        top, left = (int(16 + 15 * turn(number / 20)) for turn in (math.sin, math.cos))
        return np.ascontiguousarray(wide[top : top + height, left : left + width])

    return frame


def _make_film(path: pathlib.Path, size: tuple[int, int], count: int) -> None:
    frame = _frames(size)
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("libx264", rate=_RATE, options={"crf": "18"})
        pictures.width, pictures.height = size
        pictures.pix_fmt = "yuv420p"
        tone = film.add_stream("aac", rate=_SOUND, layout="mono")
        samples = _SOUND // _RATE
        for number in range(count):
            film.mux(pictures.encode(av.VideoFrame.from_ndarray(frame(number))))
            wave = np.sin(np.arange(number * samples, (number + 1) * samples) / 20) / 4
            sound = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
            sound.sample_rate, sound.pts = _SOUND, number * samples
            film.mux(tone.encode(sound))
        for stream in (pictures, tone):
            film.mux(stream.encode(None))


def _enhance(enhancer: Enhancer, source: pathlib.Path, pyav: bool) -> None:
    with mock.patch.object(video, "_has_pyav", lambda: pyav):
        target = source.with_name("result.mp4")
        video.enhance_video(enhancer, source, target)
        target.unlink()


def _peak(minutes: float, model: str) -> float:
    """Returns the memory that a film of this length adds at most, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "film.mp4")
        _make_film(path, _SMALL, round(60 * minutes * _RATE))
        enhancer = Enhancer(load_driver(model, trusted=True))
        forget_peak()
        before = peak_memory()
        _enhance(enhancer, path, pyav=True)
        return peak_memory() - before


def _measure() -> None:
    if importlib.util.find_spec("av") is None:
        raise ValueError("needs PyAV: pip install 'drgn-tf[video]'.")
    width, height = map(int, _SIZE.value.split("x"))
    count = _FRAMES.value
    enhancer = Enhancer(load_driver(_MODEL.value))
    frame = _frames((width, height))
    report = Report(f"Videos of {width}x{height} pixels, {_MODEL.value}")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "film.mp4")
        _make_film(path, (width, height), count)
        times = alternate(
            {
                "PyAV": lambda: _enhance(enhancer, path, pyav=True),
                "OpenCV": lambda: _enhance(enhancer, path, pyav=False),
                "network alone": lambda: [
                    enhancer(frame(number), 0.0, 0.4) for number in range(count)
                ],
            },
            _ROUNDS.value,
            0.0,
        )
    rows = [
        {
            "": name,
            "frames per second": count / seconds,
            "share of the network": times["network alone"] / seconds,
        }
        for name, seconds in times.items()
    ]
    report.table("Speed", rows)
    lengths = [float(text) for text in _MINUTES.value if text]
    if lengths:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as processes:
            peaks = list(processes.map(_peak, lengths, [_MODEL.value] * len(lengths)))
        report.table(
            "Memory",
            [
                {"minutes": length, "frames": round(60 * length * _RATE), "MB added": peak}
                for length, peak in zip(lengths, peaks, strict=True)
            ],
        )
    report.save()


if __name__ == "__main__":
    run(_measure)
