"""Runs an artefact, or another object, in a separate process for as long as it is measured.

Memory and caches of other artefacts do not affect it, and several can be measured in turn.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.managers import BaseManager
from typing import TypeVar

import numpy as np

from benchmarks.timing import seconds
from benchmarks.yardstick import Yardstick, yardstick
from drgn_tf.exports.measurement import forget_peak, peak_memory

_Kind = TypeVar("_Kind")


class Session:
    """Runs in that process.

    Args:
      path: of the artefact.
      threads: number of compute threads.
      width: of the network.
    """

    def __init__(self, path: str, threads: int, width: int):
        import tensorflow as tf

        from drgn_tf.inference import load_driver

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        forget_peak()
        self._before = peak_memory()
        self._driver = load_driver(path, threads)
        self._threads, self._width = threads, width
        self._yardstick: Yardstick | None = None
        self._feeds: tuple = ()

    def fixed_size(self) -> tuple[int, int] | None:
        """Returns the fixed (height, width) of the artefact, or None."""
        return self._driver.size

    def prepare(self, height: int, width: int) -> float:
        """Creates the photo to run and warms up.

        Returns:
          The peak memory so far, less that before the artefact was opened, in MB; hence sizes
          should increase.
        """
        from benchmarks.photos import dark_photo
        from drgn_tf.inference import photo_thumbnail

        photo = dark_photo(height, width)
        side = self._driver.thumbnail_size
        thumbnail = None if side is None else photo_thumbnail(photo, side)
        self._feeds = (photo[np.newaxis] / np.float32(255), thumbnail)
        for _ in range(2):
            self._driver.run(*self._feeds)
        return peak_memory() - self._before

    def measure(self, least: float) -> tuple[float, float]:
        """Returns the yardstick in MAC per second, and the seconds of a run directly after it."""
        if self._yardstick is None:
            # Created only now, because its memory must not count for the artefact.
            self._yardstick = yardstick(self._driver.kind, self._width, self._threads)
            self._yardstick.run()
        rate = self._yardstick.rate(seconds(self._yardstick.run, least))
        return rate, seconds(lambda: self._driver.run(*self._feeds), least)


def _quiet() -> None:
    """Suppresses the start-up messages of the runtimes; errors are raised."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class _Manager(BaseManager):
    """Starts the process."""


@contextlib.contextmanager
def opened(kind: type[_Kind], *arguments: object) -> Iterator[_Kind]:
    """Yields an object of a class such as `Session`, and ends its process afterwards.

    Args:
      kind: its class.
      *arguments: of its constructor.
    """
    _Manager.register(kind.__name__, kind)
    manager = _Manager(ctx=multiprocessing.get_context("spawn"))
    manager.start(initializer=_quiet)
    with manager:
        yield getattr(manager, kind.__name__)(*arguments)
