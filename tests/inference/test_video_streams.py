"""Videos by PyAV: frames at their times and in their colours, and the sound beside them."""

from __future__ import annotations

import pathlib

import av
import numpy as np
import pytest

from drgn_tf.errors import BadImageError
from drgn_tf.inference import video
from drgn_tf.inference.video import VideoOptions, enhance_video
from drgn_tf.inference.video_colours import bits_of, from_rgb, to_rgb
from tests.film_makers import Film, Unchanged, make

# Best, so that what codecs lose is little.
BEST = VideoOptions(quality=1)


def frames_of(path: pathlib.Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def packets_of(path: pathlib.Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as file:
        (stream,) = (s for s in file.streams if s.type == kind)
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in file.demux(stream)
            if packet.size
        ]


class Brighter(Unchanged):
    def __call__(self, pixels, exposure, brightness):
        return np.minimum(pixels.astype(int) + 40, 255).astype(np.uint8)


@pytest.fixture
def enhanced(photo, tmp_path):
    """Makes a film and its result; returns both paths and what was left out."""

    def run(film: Film, name="film.mp4", enhancer=Unchanged(), options=BEST):
        source = make(tmp_path / name, photo, film)
        target = tmp_path / f"result{video.suffix_of_result(source.suffix)}"
        return source, target, enhance_video(enhancer, source, target, options=options)

    return run


# At a second, too early, and late.
UNEVEN = (0, 40, 90, 350, 390, 1000, 1010, 1500)


@pytest.mark.parametrize("name", ["film.mp4", "film.mov", "film.mkv"])
def test_times_rotation_sound_and_titles_are_kept(enhanced, name):
    source, target, left_out = enhanced(Film(times=UNEVEN, rotation=90), name)
    before, after = frames_of(source), frames_of(target)
    assert [round(1000 * frame.time) for frame in after] == list(UNEVEN)
    assert {frame.rotation for frame in after} == {90} == {frame.rotation for frame in before}
    assert (after[0].width, after[0].height) == (96, 64)
    sound = packets_of(source, "audio")
    assert len(sound) > 5
    for (was, content), (time, copied) in zip(sound, packets_of(target, "audio"), strict=True):
        assert copied == content and time == pytest.approx(was, abs=0.001)
    with av.open(str(target)) as file:
        assert file.metadata["title"] == "Night"
        assert [chapter["metadata"]["title"] for chapter in file.chapters()] == ["Dusk"]
        assert file.streams.video[0].codec_context.name == "h264"
        assert [stream.type for stream in file.streams][:2] == ["video", "audio"]
    assert not [what for what in left_out if "audio" in what]


# Rounding moves a value by half a level of 8 bits at most; limited range has 219 levels for 255,
# and codecs at their best lose a little more. A drift would be a common part of it.
@pytest.mark.parametrize(
    ("film", "name"),
    [
        (Film(), "film.mp4"),
        (Film(full=True), "film.mp4"),
        (Film(pixel_format="yuv420p10le", codec="libx265"), "film.mp4"),
        (Film(pixel_format="yuv444p", size=(95, 63)), "film.mkv"),
        (Film(sound=False), "film.avi"),
    ],
    ids=["8 bits", "full range", "10 bits", "odd", "avi"],
)
def test_frames_do_not_drift(enhanced, film, name):
    source, target, _ = enhanced(film, name)
    before, after = frames_of(source), frames_of(target)
    assert len(before) == len(after) == len(film.times)
    assert bits_of(after[0].format) == bits_of(before[0].format)
    first, second = ([to_rgb(frame) for frame in frames] for frames in (before, after))
    level = np.iinfo(first[0].dtype).max / 255
    for was, now in zip(first, second, strict=True):
        difference = (now.astype(float) - was) / level
        assert abs(difference.mean()) < 0.3
        assert np.abs(difference).mean() < 1.5
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        assert getattr(after[0], name) == getattr(before[0], name), name


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_colours_are_those_of_the_standards(pixel_format, full, matrix):
    """White, black and grey are exact; a red has the luma that the matrix gives it."""
    bits = 10 if pixel_format.endswith("10le") else 8
    pixels = np.zeros((16, 16, 3), np.uint16 if bits > 8 else np.uint8)
    top = np.iinfo(pixels.dtype).max
    pixels[:, 8:] = top
    like = av.VideoFrame(16, 16, pixel_format)
    like.colorspace, like.color_range = matrix, 2 if full else 1
    frame = from_rgb(pixels, like, pixel_format)
    luma = np.frombuffer(frame.planes[0], np.uint16 if bits > 8 else np.uint8)
    luma = luma.reshape(16, -1)[:, :16]
    scale = 1 << (bits - 8)
    black, white = (0, (1 << bits) - 1) if full else (16 * scale, 235 * scale)
    assert (luma[:, :8] == black).all() and (luma[:, 8:] == white).all()
    np.testing.assert_array_equal(to_rgb(frame), pixels)
    red = {1: 0.2126, 5: 0.299, 9: 0.2627}[matrix]
    pixels[:] = (top, 0, 0)
    luma = np.frombuffer(from_rgb(pixels, like, pixel_format).planes[0], luma.dtype)
    assert abs(int(luma[0]) - (black + red * (white - black))) <= 0.51


def test_the_network_sees_the_frames(enhanced):
    source, target, _ = enhanced(Film(), enhancer=Brighter())
    for was, now in zip(frames_of(source), frames_of(target), strict=True):
        wanted = np.minimum(to_rgb(was).astype(int) + 40, 255)
        assert np.abs(to_rgb(now) - wanted).mean() < 2


def test_subtitles_go_where_the_container_takes_them(enhanced):
    _, target, left_out = enhanced(Film(subtitles=True), "film.mkv")
    assert left_out == []
    assert packets_of(target, "subtitle")[0][1].startswith(b"Who is there?")


def test_what_mp4_does_not_take_is_said(enhanced, monkeypatch):
    monkeypatch.setattr(video, "suffix_of_result", lambda suffix: ".mp4")
    _, target, left_out = enhanced(Film(subtitles=True), "film.mkv")
    assert left_out == ["subtitle of videos"]
    assert len(packets_of(target, "audio")) > 5


def test_hdr_is_refused(enhanced):
    film = Film(pixel_format="yuv420p10le", codec="libx265", transfer=18)
    with pytest.raises(BadImageError, match=r"film\.mp4: is HDR \(HLG\); convert it to SDR\."):
        enhanced(film)


def test_codec_and_quality_are_the_users(enhanced):
    sizes = {}
    for quality in (18, 40):
        options = VideoOptions("hevc", quality)
        _, target, _ = enhanced(Film(sound=False), options=options)
        sizes[quality] = target.stat().st_size
        with av.open(str(target)) as file:
            assert file.streams.video[0].codec_context.name == "hevc"
    assert sizes[40] < sizes[18]


def test_a_frame_that_fails_leaves_nothing(enhanced, tmp_path):
    class Failing(Unchanged):
        left = 3

        def __call__(self, pixels, exposure, brightness):
            self.left -= 1
            if not self.left:
                raise MemoryError
            return pixels

    with pytest.raises(MemoryError):
        enhanced(Film(), enhancer=Failing())
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
