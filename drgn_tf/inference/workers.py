"""Several photos at once, each on a network of its own.

One photo leaves cores idle: while its file is read and written, between tiles, and wherever an
operator cannot be split. So photos are shared out to threads, each with a network that computes
on its part of the cores. Runtimes, decoders and encoders release Python's lock.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from drgn_tf import memory
from drgn_tf.inference.enhancer import Enhancer

# What a network may take, with the largest photo that it runs whole.
_NETWORK_BYTES = 1_500_000_000
# TensorFlow has one set of threads for the whole process, which is busy with one photo.
_SHARED = ("keras", "saved_model")

Item = TypeVar("Item")
Result = TypeVar("Result")


class StoppedError(Exception):
    """The program is to end, and the photo was given up."""


class Workers:
    """Networks that share out work.

    Args:
      open_enhancer: opens a network that computes on so many threads (None for the runtime's
        choice), which was opened before if the second argument is true.
      count: how many items there will be.
      threads: of all together, by default one per core.

    Attributes:
      enhancers: the networks; one if there is no use for more, or no memory.
    """

    def __init__(
        self,
        open_enhancer: Callable[[int | None, bool], Enhancer],
        count: int,
        threads: int | None = None,
    ):
        cores = threads or _cores()
        free = memory.available()
        most = cores if free is None else free // _NETWORK_BYTES
        workers = max(1, min(cores, count, most))
        each = threads if workers == 1 else cores // workers
        self.enhancers = [open_enhancer(each, False)]
        if self.enhancers[0].driver.kind not in _SHARED:
            self.enhancers += [open_enhancer(each, True) for _ in range(1, workers)]
        # Where nothing tells how much memory there is, each waits for none.
        self._room = sys.maxsize if free is None else free - workers * _NETWORK_BYTES
        self._stopped = threading.Event()

    def stop_if_asked(self) -> None:
        """Called now and then by the work; raises StoppedError if the program is to end."""
        if self._stopped.is_set():
            raise StoppedError

    def each(
        self,
        items: Sequence[Item],
        work: Callable[[Enhancer, Item], Result],
        needed: Callable[[Item], int],
        on_done: Callable[[Item, Callable[[], Result]], object],
    ) -> None:
        """Does the work on all items.

        Args:
          items: in the order in which they are begun.
          work: called with a network and an item, in any thread.
          needed: bytes that the work on an item takes. Items that together do not fit wait for
            each other.
          on_done: called in this thread as each item is done, with the item and a function that
            returns the result of its work, or raises its error.
        """
        if len(self.enhancers) == 1:
            for item in items:
                on_done(item, functools.partial(work, self.enhancers[0], item))
            return
        room = _Room(self._room)
        idle: queue.SimpleQueue[Enhancer] = queue.SimpleQueue()
        for enhancer in self.enhancers:
            idle.put(enhancer)

        def do(item: Item) -> Result:
            self.stop_if_asked()
            with room.taken(needed(item)):
                enhancer = idle.get()
                try:
                    return work(enhancer, item)
                finally:
                    idle.put(enhancer)

        executor = ThreadPoolExecutor(len(self.enhancers))
        try:
            futures = {executor.submit(do, item): item for item in items}
            for future in as_completed(futures):
                on_done(futures[future], future.result)
        finally:
            # After an interruption the threads end at their next tile, and leave no file behind.
            self._stopped.set()
            executor.shutdown(cancel_futures=True)
            self._stopped.clear()


class _Room:
    """Memory that is shared out; what is larger than all of it gets all of it."""

    def __init__(self, size: int):
        self._size = self._free = max(1, size)
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, needed: int) -> Iterator[None]:
        """Waits until there is room, and takes it."""
        needed = min(needed, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= needed)
            self._free -= needed
        try:
            yield
        finally:
            with self._changed:
                self._free += needed
                self._changed.notify_all()


def _cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
