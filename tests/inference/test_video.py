from __future__ import annotations

import cv2
import numpy as np
import pytest

import drgn_tf
from drgn_tf.data import BadImageError
from drgn_tf.inference.batch import Job, enhance_file
from drgn_tf.inference.video import SteadyThumbnail


def write_video(path, frames) -> None:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (width, height))
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


def test_frames_size_and_rate_are_kept(tmp_path, dark):
    enhancer = drgn_tf.load()
    frames = [dark[:96, 4 * i : 4 * i + 128] for i in range(5)]
    write_video(tmp_path / "a.mp4", frames)
    counted = []

    def start(count):
        counted.append(count)
        return lambda: counted.append(1)

    job = Job(tmp_path / "a.mp4", tmp_path / "out/a.mp4")
    enhance_file(enhancer, job, start=start)
    rate, enhanced = read_video(job.target)
    assert counted == [5, 1, 1, 1, 1, 1]
    assert rate == pytest.approx(10.0)
    assert [frame.shape for frame in enhanced] == [(96, 128, 3)] * 5
    expected = enhancer(frames[0])
    # Twice through a lossy codec.
    assert np.abs(enhanced[0].astype(int) - expected).mean() < 8


def test_flicker_is_damped_and_a_cut_is_not():
    steady = SteadyThumbnail(frames_per_second=25)
    flicker = [0.1 * (1 + 0.15 * (-1) ** i) for i in range(100)]
    seen = [steady(np.full((1, 4, 4, 3), value, np.float32)).mean() for value in flicker]
    assert np.ptp(seen[50:]) < 0.1 * np.ptp(flicker)
    bright = np.full((1, 4, 4, 3), 0.6, np.float32)
    np.testing.assert_array_equal(steady(bright), bright)


def test_a_video_that_is_none_is_named(tmp_path, enhancer):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(BadImageError, match=r"a\.mp4: is damaged or no video"):
        enhance_file(enhancer, Job(tmp_path / "a.mp4", tmp_path / "out/a.mp4"))
    assert not list((tmp_path / "out").iterdir())
