"""Photos at once: all are done, errors stay with their photo, memory and interruptions count."""

import threading
import types

import pytest

from drgn_tf import memory
from drgn_tf.inference.workers import StoppedError, Workers

MEMORY = 6_000_000_000


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: MEMORY)


def workers(count=8, threads=3, kind="tflite", opened=None):
    def open_enhancer(each, opened_before):
        if opened is not None:
            opened.append((each, opened_before))
        return types.SimpleNamespace(driver=types.SimpleNamespace(kind=kind))

    return Workers(open_enhancer, count, threads)


def results(pool, items, work, needed=lambda item: 0):
    """Returns the results by item, errors as they are."""
    done = {}

    def note(item, result):
        try:
            done[item] = result()
        except ValueError as error:
            done[item] = error

    pool.each(items, work, needed, note)
    return done


@pytest.mark.parametrize(
    ("asked", "opened"),
    [
        ({"count": 1}, [(3, False)]),
        ({"count": 2, "threads": 8}, [(4, False), (4, True)]),
        ({}, [(1, False), (1, True), (1, True)]),
        # No more than there is memory for.
        ({"threads": 64}, [(16, False), (16, True), (16, True), (16, True)]),
        ({"kind": "keras"}, [(1, False)]),
    ],
)
def test_cores_are_shared_out(asked, opened):
    said = []
    workers(**asked, opened=said)
    assert said == opened


@pytest.mark.parametrize("count", [1, 8])
def test_an_error_stays_with_its_photo(count):
    def work(enhancer, item):
        if item == 3:
            raise ValueError("damaged")
        return 2 * item

    done = results(workers(count), range(8), work)
    assert str(done.pop(3)) == "damaged"
    assert done == {item: 2 * item for item in (0, 1, 2, 4, 5, 6, 7)}


def test_several_run_at_once_each_on_its_own_network():
    both = threading.Barrier(3, timeout=30)
    used = []

    def work(enhancer, item):
        used.append(id(enhancer))
        both.wait()

    results(workers(3), range(3), work)
    assert len(set(used)) == 3


def test_what_does_not_fit_together_waits():
    lock, running, most = threading.Lock(), [], []

    def work(enhancer, item):
        with lock:
            running.append(item)
            most.append(sum(running))
        with lock:
            running.remove(item)

    # Beside three networks there is room for 1.5 GB; one item needs more than all of it.
    sizes = [1_000_000_000, 900_000_000, 400_000_000, 2_500_000_000, 1_200_000_000, 300_000_000]
    results(workers(), sizes, work, needed=lambda item: item)
    assert max(most) == 2_500_000_000
    assert sum(total > 1_500_000_000 for total in most) == 1


def test_an_interruption_ends_what_runs_and_begins_nothing_more():
    pool = workers()
    begun, given_up = [], []
    running = threading.Semaphore(0)

    def work(enhancer, item):
        begun.append(item)
        if item == 0:
            return
        running.release()
        try:
            while True:
                pool.stop_if_asked()
        except StoppedError:
            given_up.append(item)
            raise

    def interrupted(item, result):
        running.acquire()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.each(range(1000), work, lambda item: 0, interrupted)
    assert sorted(given_up) == sorted(set(begun) - {0}) and len(begun) < 10
