"""Videos: every frame of a whole one, and a plain word about a damaged one."""

from __future__ import annotations

import os
import pathlib
import shutil
import struct
import subprocess
import sys
from collections import namedtuple

import cv2
import numpy as np
import pytest

from drgn_tf.errors import BadImageError, UserError
from drgn_tf.inference import video
from drgn_tf.inference.batch import Job, OutputOptions, enhance_file
from drgn_tf.inference.video_files import inspect_video

_CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}


def write_video(path, frames) -> None:
    height, width = frames[0].shape[:2]
    codec = cv2.VideoWriter_fourcc(*_CODECS[path.suffix])
    writer = cv2.VideoWriter(str(path), codec, 10.0, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame[:, :, ::-1])
    writer.release()


def read_video(path) -> tuple[float, list[np.ndarray]]:
    reader = cv2.VideoCapture(str(path))
    rate, frames = reader.get(cv2.CAP_PROP_FPS), []
    while (read := reader.read())[0]:
        frames.append(read[1][:, :, ::-1])
    return rate, frames


@pytest.fixture(scope="module")
def films(tmp_path_factory, photo) -> dict[str, pathlib.Path]:
    """Videos of 30 frames, 3 seconds, by their endings."""
    folder = tmp_path_factory.mktemp("films")
    frames = [photo[4 * i : 4 * i + 64, 8 * i : 8 * i + 96] for i in range(30)]
    for suffix in _CODECS:
        write_video(folder / f"film{suffix}", frames)
    return {suffix: folder / f"film{suffix}" for suffix in _CODECS}


@pytest.fixture
def brighter(enhancer):
    """An enhancer whose network only adds to the pixels: fast, and nothing that codecs smooth."""

    class Brighter:
        driver = enhancer.driver
        thumbnail = enhancer.thumbnail

        def __call__(self, photo, exposure=0.0, brightness=None):
            assert 0 < brightness(self.thumbnail(photo)) <= 1
            return np.clip(photo.astype(int) + 40, 0, 255).astype(np.uint8)

    return Brighter()


def fast_start(data: bytes) -> bytes:
    """Moves the index of an MP4 file before the frames, as files for the web have it."""
    boxes, place = [], 0
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        boxes.append((data[place + 4 : place + 8], bytearray(data[place : place + size])))
        place += size
    boxes = [(kind, box) for kind, box in boxes if kind in (b"ftyp", b"moov", b"mdat")]
    before = data.index(b"mdat") - 4
    boxes.sort(key=lambda box: (b"ftyp", b"moov", b"mdat").index(box[0]))
    index = boxes[1][1]
    moved = len(boxes[0][1]) + len(index) - before
    table = index.index(b"stco") + 8
    (count,) = struct.unpack(">I", index[table : table + 4])
    for entry in range(count):
        at = table + 4 + 4 * entry
        (offset,) = struct.unpack(">I", index[at : at + 4])
        index[at : at + 4] = struct.pack(">I", offset + moved)
    return b"".join(bytes(box) for _, box in boxes)


def test_a_network_that_takes_no_brightness_enhances_each_frame(tmp_path, dark, brighter):
    class Untold:
        thumbnail_size, takes_brightness = 4, False

    class Brighter(type(brighter)):
        driver = Untold()

        def __call__(self, photo, exposure=0.0, brightness=None):
            assert exposure == 0 and brightness is None
            return photo

    write_video(tmp_path / "a.mp4", [dark[:96, 4 * i : 4 * i + 128] for i in range(5)])
    job = Job(tmp_path / "a.mp4", tmp_path / "out/a.mp4")
    enhance_file(Brighter(), job)
    assert len(read_video(job.target)[1]) == 5


@pytest.fixture(params=["PyAV", "OpenCV"])
def library(request, monkeypatch) -> str:
    if request.param == "OpenCV":
        monkeypatch.setattr(video, "_has_pyav", lambda: False)
    return request.param


def test_frames_size_and_rate_are_kept(tmp_path, dark, brighter, library):
    frames = [dark[:96, 4 * i : 4 * i + 128] for i in range(5)]
    write_video(tmp_path / "a.mp4", frames)
    counted = []

    def start(count):
        counted.append(count)
        return lambda: counted.append(1)

    job = Job(tmp_path / "a.mp4", tmp_path / "out/a.mp4")
    left_out = enhance_file(brighter, job, start=start)
    assert left_out == ([] if library == "PyAV" else [video.WITHOUT_PYAV])
    rate, enhanced = read_video(job.target)
    assert counted == [5, 1, 1, 1, 1, 1]
    assert rate == pytest.approx(10.0)
    assert [frame.shape for frame in enhanced] == [(96, 128, 3)] * 5
    # Twice through a lossy codec.
    for frame, result in zip(frames, enhanced):
        assert np.abs(result.astype(int) - np.minimum(frame.astype(int) + 40, 255)).mean() < 8


@pytest.mark.parametrize("suffix", _CODECS)
def test_whole_videos_are_whole(films, suffix):
    found = inspect_video(films[suffix])
    assert (found.frames, found.damaged, found.rate) == (30, False, 10.0)
    assert found.end == pytest.approx(3.0)


@pytest.mark.parametrize("share", [0.5, 0.85])
@pytest.mark.parametrize("suffix", _CODECS)
def test_a_truncated_video_is_refused_with_the_time_of_its_end(
    tmp_path, films, brighter, suffix, share
):
    data = films[suffix].read_bytes()
    if suffix == ".mp4":
        data = fast_start(data)
    source, target = tmp_path / f"a{suffix}", tmp_path / "out" / "a.mp4"
    source.write_bytes(data)
    assert not inspect_video(source).damaged
    source.write_bytes(data[: int(share * len(data))])
    said = (
        rf"^\S+a{suffix}: is damaged, can be read up to 0:00:0\d\.\d of 0:00:03\.0 \(\d+ frames\)"
    )
    with pytest.raises(BadImageError, match=f"{said}; replace it, or give --keep_readable"):
        enhance_file(brighter, Job(source, target))
    assert not list(target.parent.iterdir())
    # Where it is asked for, what is readable is kept, and it is said all the same.
    with pytest.raises(BadImageError, match=f"{said}; .*out/a.mp4 holds that part"):
        enhance_file(brighter, Job(source, target), OutputOptions(keep_readable=True))
    frames = len(read_video(target)[1])
    assert frames == inspect_video(source).frames
    assert abs(frames - 30 * share) <= 6 and frames < 30


@pytest.mark.parametrize("suffix", _CODECS)
def test_damage_in_the_middle_is_found(tmp_path, films, suffix):
    data = bytearray(films[suffix].read_bytes())
    begin, length = int(0.4 * len(data)), len(data) // 5
    data[begin : begin + length] = bytes(length)
    (tmp_path / f"a{suffix}").write_bytes(data)
    found = inspect_video(tmp_path / f"a{suffix}")
    assert found.damaged and found.frames < 30
    if suffix != ".avi":
        # The times of an AVI file are counted from its frames.
        assert 0.8 < found.end < 2.0


@pytest.mark.parametrize(
    "content",
    [b"\0\0\0\x01ftyp" + b"\xff" * 60, b"\0\0\0\0ftyp", b"\0\0\0\x09free" * 9,
     b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3" + b"\xff" * 60, b"RIFF\xff\xff\xff\xffAVI ",
     b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 6 + b"\xfe"],
)  # fmt: skip
def test_headers_without_a_video_are_named(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadImageError, match=r"a\.mp4: is damaged, and no frame of it can be read"):
        inspect_video(tmp_path / "a.mp4")


def test_an_mp4_that_lost_its_index_is_named(tmp_path, films):
    (tmp_path / "a.mp4").write_bytes(films[".mp4"].read_bytes()[:-500])
    with pytest.raises(BadImageError, match=r"a\.mp4: is damaged, and no frame of it can be read"):
        inspect_video(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "content",
    [b"no video" * 100, b"#EXTM3U\n#EXTINF:1,\nsecret.ts\n", b"ffconcat version 1.0\nfile a.mp4\n"],
)
def test_only_videos_reach_a_decoder(tmp_path, enhancer, monkeypatch, content):
    def opened(*_):
        raise AssertionError("was opened")

    monkeypatch.setattr(cv2, "VideoCapture", opened)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadImageError, match=r"a\.mp4: is no MP4, .* video by its content"):
        enhance_file(enhancer, Job(tmp_path / "a.mp4", tmp_path / "out/a.mp4"))
    assert not list((tmp_path / "out").iterdir())
    os.mkfifo(tmp_path / "b.mp4")
    with pytest.raises(BadImageError, match=r"b\.mp4: is a device or a pipe"):
        inspect_video(tmp_path / "b.mp4")


def test_names_are_no_addresses_and_no_series(tmp_path, films, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("http:a.mp4", "concat:a.mp4", "a%02d.mp4", "-i.mp4"):
        shutil.copy(films[".mp4"], name)
        assert inspect_video(pathlib.Path(name)).frames == 30


def test_frames_that_are_too_large_are_refused(tmp_path, films):
    with pytest.raises(BadImageError, match=r"96x64 pixels .* limit of 0\.005 megapixels"):
        inspect_video(films[".mp4"], 0.005)


def test_a_full_disk_ends_it(tmp_path, films, brighter, monkeypatch, library):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(video.shutil, "disk_usage", lambda path: usage(10, 10, 0))
    job = Job(films[".mp4"], tmp_path / "out" / "a.mp4")
    with pytest.raises(UserError, match=r"a\.mp4: cannot be written \(the disk is full\); make"):
        enhance_file(brighter, job)
    assert not list(job.target.parent.iterdir())


@pytest.mark.parametrize(
    ("library", "said"),
    [
        # OpenCV says nothing of it.
        ("OpenCV", "(0 of 30 frames can be read back); make room"),
        ("PyAV", "(File too large); make room"),
    ],
)
def test_files_that_may_not_grow_are_not_left_short(tmp_path, films, library, said):
    code = f"""
import pathlib, resource
from drgn_tf.errors import UserError
from drgn_tf.inference import video

class Driver:
    path, thumbnail_size, takes_brightness = "net", 4, True
    def predicted_brightness(self, thumbnail):
        return 0.5

class Unchanged:
    driver = Driver()
    def thumbnail(self, photo):
        import numpy
        return numpy.ones((1, 4, 4, 3))
    def __call__(self, photo, exposure, brightness):
        return photo

video._has_pyav = lambda: {library == "PyAV"}
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    video.enhance_video(
        Unchanged(), pathlib.Path({str(films[".mp4"])!r}), pathlib.Path({str(tmp_path)!r}, "a.mp4")
    )
except UserError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert f"a.mp4: cannot be written {said}" in run.stdout
    assert run.stderr == "" and not list(tmp_path.iterdir())
