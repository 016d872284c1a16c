"""Videos, frame by frame, with steady brightness.

The brightness of each frame is given: what the network predicts, steadied over time
(`drgn_tf.inference.steady`).
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import cv2

from drgn_tf.errors import UserError
from drgn_tf.files import ModelFileError, atomic_path
from drgn_tf.images.photos import BadImageError
from drgn_tf.inference.enhancer import Enhancer
from drgn_tf.inference.steady import SteadyBrightness

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
# Where a video does not say.
_FRAMES_PER_SECOND = 30.0


def enhance_video(
    enhancer: Enhancer,
    source: pathlib.Path,
    target: pathlib.Path,
    start: Callable[[int], Callable[[], None]] = lambda frames: lambda: None,
    exposure: float = 0.0,
    brightness: float | None = None,
) -> None:
    """Enhances a video; one frame at a time is in memory. Sound is not kept.

    Args:
      enhancer: network; its artefact takes thumbnails and a brightness.
      source: anything that OpenCV reads.
      target: an .mp4 file (MPEG-4 Part 2).
      start: told the number of frames, 0 if unknown; returns what is called after each.
      exposure: see `Enhancer`.
      brightness: of all frames; by default the predicted one, steadied.

    Raises:
      BadImageError: the video cannot be read.
      ModelFileError: the artefact takes no thumbnail or no brightness, which thus cannot be
        kept steady.
      UserError: it cannot be written.
    """
    driver = enhancer.driver
    if driver.thumbnail_size is None or not driver.takes_brightness:
        raise ModelFileError(
            f"{driver.path}: cannot keep a video steady; give a 'tiled' file of a network that "
            "takes a brightness."
        )
    reader = cv2.VideoCapture(str(source))
    try:
        _copy_enhanced(enhancer, reader, source, target, start, exposure, brightness)
    finally:
        reader.release()


def _copy_enhanced(enhancer, reader, source, target, start, exposure, brightness) -> None:
    read, frame = reader.read()
    if not read:
        raise BadImageError(f"{source}: is damaged or no video; replace or remove it.")
    rate = reader.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < 1000 else _FRAMES_PER_SECOND
    on_frame = start(max(0, int(reader.get(cv2.CAP_PROP_FRAME_COUNT))))
    steady = SteadyBrightness(rate)
    driver = enhancer.driver
    height, width = frame.shape[:2]
    with atomic_path(target) as beside:
        writer = cv2.VideoWriter(
            str(beside), cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height)
        )
        try:
            if not writer.isOpened():
                raise UserError(f"{target}: this video cannot be written here.")
            while read:
                photo = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                wanted = brightness
                if wanted is None:
                    thumbnail = enhancer.thumbnail(photo)
                    wanted = steady(thumbnail, driver.predicted_brightness(thumbnail))
                enhanced = enhancer(photo, exposure, wanted)
                writer.write(cv2.cvtColor(enhanced, cv2.COLOR_RGB2BGR))
                on_frame()
                read, frame = reader.read()
        finally:
            writer.release()
