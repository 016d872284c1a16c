"""The logs of a run for TensorBoard, written without TensorFlow."""

from __future__ import annotations

import importlib.util
import io
import itertools
import os
import pathlib
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

# Two writers of one process must not share a file.
_WRITERS = itertools.count()


class TensorBoard:
    """Writes a file of events.

    Args:
      folder: where it is made, by `open`.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    @staticmethod
    def is_installed() -> bool:
        """Whether the package that defines the events is there."""
        return importlib.util.find_spec("tensorboard") is not None

    def open(self) -> None:
        """Makes the file."""
        # Here, because it is optional. Of this package only what does not import TensorFlow.
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        path = self._folder / f"{name}.{os.getpid()}.{next(_WRITERS)}"
        self._writer = RecordWriter(path.open("wb"))
        self._write(file_version="brain.Event:2")

    def scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Writes scalars under the name of a group."""
        self._summary(
            step,
            [
                {"tag": f"{group}/{name}", "simple_value": float(value)}
                for name, value in values.items()
            ],
        )

    def pictures(self, step: int, pictures: Sequence[np.ndarray]) -> None:
        """Writes the pictures of a validation, uint8 [H, W, 3]."""
        values = []
        for index, picture in enumerate(pictures):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            height, width, channels = picture.shape
            values.append(
                {
                    "tag": f"low, degradation, base, enhanced, reference/{index}",
                    "image": {
                        "height": height,
                        "width": width,
                        "colorspace": channels,
                        "encoded_image_string": file.getvalue(),
                    },
                }
            )
        self._summary(step, values)

    def _summary(self, step: int, values: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step=step, summary=Summary(value=[Summary.Value(**value) for value in values]))
        self._writer.flush()

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.write(Event(wall_time=time.time(), **content).SerializeToString())

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()
