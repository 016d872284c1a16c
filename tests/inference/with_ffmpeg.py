"""Films that FFmpeg's own program makes, and what ffprobe finds in their results.

`make test-formats` runs these; the name keeps them from `make test`, which needs Python alone.
"""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

from drgn_tf.inference.video import VideoOptions, enhance_video
from tests.film_makers import Unchanged


def made(path: pathlib.Path, *arguments: str) -> pathlib.Path:
    """Makes two seconds of a moving picture and a tone."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2",
         "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2", *arguments, path],
        check=True,
    )  # fmt: skip
    return path


def probed(path: pathlib.Path) -> dict:
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_chapters",
               "-count_packets", "-of", "json", path]  # fmt: skip
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def stream(found: dict, kind: str) -> dict:
    (one,) = (entry for entry in found["streams"] if entry["codec_type"] == kind)
    return one


FILMS = {
    "h264.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "hevc10.mov": ("-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le",
                   "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709",
                   "-color_trc", "bt709", "-c:a", "aac"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-q:v", "3", "-c:a", "mp3"),
    "uneven.mkv": ("-c:a", "flac", "-c:v", "libx264", "-fps_mode", "vfr",
                   "-vf", "select=mod(n\\,3)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILMS)
def test_sound_is_in_step_with_the_pictures(tmp_path, name):
    source = made(tmp_path / name, *FILMS[name])
    matroska = source.suffix in (".mkv", ".webm")
    target = tmp_path / f"result{'.mkv' if matroska else '.mp4'}"
    assert enhance_video(Unchanged(), source, target, options=VideoOptions(quality=10)) == []
    before, after = probed(source), probed(target)
    for kind in ("video", "audio"):
        was, now = stream(before, kind), stream(after, kind)
        assert now["nb_read_packets"] == was["nb_read_packets"], kind
        assert float(now["start_time"]) == pytest.approx(float(was["start_time"]), abs=0.03), kind
    assert stream(after, "audio")["codec_name"] == stream(before, "audio")["codec_name"]
    for what in ("width", "height", "color_range", "color_space", "color_primaries",
                 "color_transfer"):  # fmt: skip
        was, now = (stream(found, "video").get(what) for found in (before, after))
        assert now == was or (what == "color_range" and {was, now} <= {None, "tv"}), what
    # A frame of 25 per second, or of sound.
    lengths = [float(found["format"]["duration"]) for found in (before, after)]
    assert lengths[1] == pytest.approx(lengths[0], abs=0.06)


def rotation(path: pathlib.Path) -> int | None:
    data = stream(probed(path), "video").get("side_data_list", [])
    return next((entry["rotation"] for entry in data if "rotation" in entry), None)


def test_a_phones_rotation_is_read_back(tmp_path):
    flat = made(tmp_path / "flat.mp4", *FILMS["h264.mp4"])
    source, target = tmp_path / "turned.mp4", tmp_path / "result.mp4"
    # From FFmpeg 6 on, and before.
    for before, behind in ((["-display_rotation", "90"], []), ([], ["-metadata:s:v", "rotate=90"])):
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            *before,
            "-i",
            flat,
            "-c",
            "copy",
            *behind,
            source,
        ]
        done = subprocess.run(command, capture_output=True, check=False)
        if not done.returncode and rotation(source):
            break
    enhance_video(Unchanged(), source, target)
    assert rotation(target) == rotation(source) in (90, -90)
