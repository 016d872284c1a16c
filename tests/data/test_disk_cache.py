"""Decoded photos on disk: the same photos as in memory, decoded once, whole or made again."""

import errno
import functools
import json
import os
import platform
import resource
import threading

import cv2
import numpy as np
import pytest

from drgn_tf import files
from drgn_tf.data import decoded_photos, disk_cache
from drgn_tf.data.dataset import training_dataset
from drgn_tf.data.decoded_photos import read_stores
from drgn_tf.data.disk_cache import cached_photos
from drgn_tf.data.loading import DataOptions, load_run_data
from drgn_tf.data.options import SampleOptions
from drgn_tf.data.pairs import find_pairs
from drgn_tf.data.photometric import PhotometricOptions
from drgn_tf.errors import UserError
from drgn_tf.images.photos import BadImageError, read_photo, to_float
from drgn_tf.models.context import thumbnail

SAMPLES = SampleOptions(
    crop_size=32, batch_size=4, seed=3, photometric_fraction=0.5, exposure_jitter=1.0,
    normal=True,
)  # fmt: skip


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
    """The paths of the photos that are decoded from now on."""
    paths = []

    def read(path):
        paths.append(path)
        return read_photo(path)

    read_photo = decoded_photos.read_photo
    monkeypatch.setattr(decoded_photos, "read_photo", read)
    return paths


def rows_of(folder):
    return [(pair.low, pair.high) for pair in find_pairs(folder)]


def load(pair_folder, cache_dir="", on_bad=None):
    options = DataOptions(data_dir=str(pair_folder), cache_dir=str(cache_dir))
    view = functools.partial(thumbnail, size=16)
    return load_run_data(options, PhotometricOptions(), view, on_bad)


def make_deep(pair_folder) -> None:
    """Gives one of the pairs a high photo of 16 bits."""
    path = pair_folder / "high" / "view_2.png"
    deep = cv2.imread(str(path)).astype(np.uint16) * 255 + 77
    cv2.imwrite(str(path), deep)


def assert_same_stores(first, second) -> None:
    for one, other in zip(first, second, strict=True):
        assert (one.names, one.sizes, one.peak) == (other.names, other.sizes, other.peak)
        assert one.checksums == other.checksums
        for index in range(len(one)):
            np.testing.assert_array_equal(one.photo(index), other.photo(index))


@pytest.mark.parametrize("deep", [False, True])
def test_cached_photos_equal_those_in_memory(pair_folder, cache, deep):
    if deep:
        make_deep(pair_folder)
    in_memory = read_stores(rows_of(pair_folder))
    for _ in range(2):
        assert_same_stores(read_stores(rows_of(pair_folder), cache_dir=cache), in_memory)


def test_8_bits_beside_16_keep_their_values(pair_folder, cache):
    make_deep(pair_folder)
    plain = read_photo(pair_folder / "high" / "view_0.png")
    for folder in ("", cache):
        high = read_stores(rows_of(pair_folder), cache_dir=folder)[1]
        assert high.peak == 65535
        np.testing.assert_array_equal(high.photo(0), to_float(plain))


def test_samples_and_fingerprint_do_not_depend_on_the_cache(pair_folder, cache):
    make_deep(pair_folder)
    plain, cached = load(pair_folder), load(pair_folder, cache)
    assert cached.fingerprint == plain.fingerprint and cached.summary == plain.summary
    batches = [list(training_dataset(x.training, SAMPLES, 2, 6)) for x in (plain, cached)]
    for one, other in zip(*batches, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_nothing_is_decoded_twice(pair_folder, cache, decoded):
    load(pair_folder, cache)
    assert len(decoded) == 8
    load(pair_folder, cache)
    assert len(decoded) == 8


def test_a_change_that_keeps_the_size_of_the_file_is_seen(pair_folder, cache):
    path = pair_folder / "high" / "view_1.png"
    pixels = cv2.imread(str(path))
    path.unlink()
    cv2.imwrite(str(path.with_suffix(".bmp")), pixels)
    before, size = load(pair_folder, cache), path.with_suffix(".bmp").stat().st_size
    cv2.imwrite(str(path.with_suffix(".bmp")), 255 - pixels)
    os.utime(path.with_suffix(".bmp"), (1e9, 1e9))
    assert path.with_suffix(".bmp").stat().st_size == size
    assert load(pair_folder, cache).fingerprint != before.fingerprint


def test_the_list_of_an_entry_comes_after_its_pixels(pair_folder, cache, monkeypatch):
    """Without it there is no entry, whenever the process is killed."""
    moved, move = [], files.move

    def last_one_fails(source, target):
        if len(moved) == 2:
            raise OSError(28, "No space left on device")
        moved.append(target.suffix)
        move(source, target)

    monkeypatch.setattr(files, "move", last_one_fails)
    with pytest.raises(UserError, match="No space left"):
        load(pair_folder, cache)
    assert moved == [".pixels", ".pixels"]


def test_changed_photo_is_seen(pair_folder, cache):
    before = load(pair_folder, cache)
    path = pair_folder / "high" / "view_1.png"
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    after = load(pair_folder, cache)
    assert after.fingerprint != before.fingerprint
    assert after.fingerprint == load(pair_folder).fingerprint


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forget_dtype(path):
    listed = json.loads(path.read_text())
    del listed["dtypes"]
    path.write_text(json.dumps(listed))


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("*.0.pixels", lambda path: os.truncate(path, 1000)),
        ("*.1.pixels", flip_byte),
        ("*.1.pixels", lambda path: path.unlink()),
        ("*.json", lambda path: os.truncate(path, 20)),
        ("*.json", forget_dtype),
    ],
    ids=["truncated", "one bit", "missing", "list truncated", "list incomplete"],
)
def test_damaged_entry_is_made_again(pair_folder, cache, decoded, pattern, damage):
    rows = rows_of(pair_folder)
    whole = read_stores(rows)
    read_stores(rows, cache_dir=cache)
    damage(next(cache.glob(pattern)))
    decoded.clear()
    assert_same_stores(read_stores(rows, cache_dir=cache), whole)
    assert len(decoded) == 8
    read_stores(rows, cache_dir=cache)
    assert len(decoded) == 8
    assert len(list(cache.glob("[!.]*"))) == 3


def test_processes_that_come_together_decode_once(pair_folder, cache, decoded):
    rows, stores = rows_of(pair_folder), []
    workers = [
        threading.Thread(target=lambda: stores.append(read_stores(rows, cache_dir=cache)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(stores) == 4 and len(decoded) == 8
    for made in stores:
        assert_same_stores(made, stores[0])


def test_photos_left_out_are_told_every_time(pair_folder, cache):
    (pair_folder / "low" / "view_2.png").write_bytes(b"")
    told = []
    for cache_dir in ("", cache, cache):
        told.append([])
        data = load(pair_folder, cache_dir, told[-1].append)
        assert "view_2" not in data.training.pairs.low.names + data.validation.low.names
    assert [str(error) for error in told[0]] == [str(error) for error in told[1]]
    assert [str(error) for error in told[0]] == [str(error) for error in told[2]]
    with pytest.raises(BadImageError, match=r"view_2\.png: the file is empty"):
        load(pair_folder, cache)


def test_nothing_is_left_of_photos_that_cannot_be_used(pair_folder, cache):
    for path in (pair_folder / "low").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 4 photos can be used"):
        load(pair_folder, cache, lambda error: None)
    assert not list(cache.glob("[!.]*")) and not list(cache.glob(".?*.*"))


def test_disk_that_takes_no_photos_is_one_line(pair_folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*--cache_dir") as caught:
        load(pair_folder, tmp_path / "file")
    assert len(str(caught.value).splitlines()) == 1


def test_full_disk_is_one_line_and_leaves_nothing(pair_folder, cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Bytes of a file, fewer than the photos have.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot be written.*--cache_dir") as caught:
            read_stores(rows_of(pair_folder), cache_dir=cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in cache.iterdir()] == [".lock"]


def test_decoding_has_ended_when_writing_fails(pair_folder, cache, monkeypatch):
    """Its threads would be waited for by one of them."""
    ended = []

    def decode():
        try:
            yield [np.zeros((4, 4, 3), np.uint8)] * 2
            yield [np.zeros((4, 4, 3), np.uint8)] * 2
        finally:
            ended.append(True)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk_cache.zlib, "crc32", full)
    with pytest.raises(UserError, match="No space left"):
        cached_photos(cache, rows_of(pair_folder), decode, None)
    assert ended


def test_what_others_put_into_the_folder_is_neither_written_through_nor_removed(
    pair_folder, cache, tmp_path
):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    cache.mkdir()
    left = cache / f"{files.PARTIAL}{platform.node()}-killed"
    others = [cache / f"{files.PARTIAL}elsewhere-x", cache / f".{platform.node()}"]
    for folder in (left, *others):
        folder.mkdir()
        (folder / "half.pixels").write_text("")
    rows = rows_of(pair_folder)
    read_stores(rows, cache_dir=cache)
    assert not left.exists() and all((folder / "half.pixels").exists() for folder in others)
    # Made anew over links, as names of files can be guessed.
    for path in cache.glob("[!.]*"):
        path.unlink()
        path.symlink_to(victim)
    assert_same_stores(read_stores(rows, cache_dir=cache), read_stores(rows))
    (cache / ".lock").unlink()
    (cache / ".lock").symlink_to(victim)
    next(cache.glob("*.json")).unlink()
    with pytest.raises(UserError, match=r"cannot be written.*--cache_dir"):
        read_stores(rows, cache_dir=cache)
    assert victim.read_text() == "mine"


def test_photo_that_went_away_is_one_line(pair_folder, cache):
    rows = rows_of(pair_folder)
    rows[1][0].unlink()
    with pytest.raises(UserError, match=r"cannot be read \(No such file.*check its name"):
        read_stores(rows, cache_dir=cache)


def test_graph_reads_the_file_and_holds_no_copy_of_it(programs, tmp_path):
    # Constant folding would copy all of it, as many times as there are graphs. If a new TensorFlow
    # does so, its constant_folding.cc tells what it leaves alone instead of `_scoped_allocator`.
    path, size = tmp_path / "pixels", 300 * 2**20
    with path.open("wb") as file:
        file.truncate(size)
    code = f"""
import resource
import numpy as np
import tensorflow as tf
from drgn_tf.data.disk_cache import MappedPixels
pixels = MappedPixels({str(path)!r}, np.dtype(np.uint8), {size})
dataset = tf.data.Dataset.range(8).map(lambda i: tf.slice(pixels.tensor(), [i], [100]))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
list(tf.data.Dataset.range(8).map(lambda i: i + 1))
before = peak()
assert len(list(dataset)) == 8
print(peak() - before)
"""
    process = programs.run("-c", code)
    assert process.code == 0 and int(process.stdout) < size / 3, process.output
