"""Batches made by data servers equal those that the trainer makes itself."""

import functools
import queue
import shutil
import socket

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.data import (
    DataError,
    DataOptions,
    PhotometricOptions,
    SampleOptions,
    Shard,
    load_run_data,
    service,
    training_dataset,
)
from drgn_tf.data.service import DataServer, made_by_servers, watch_servers
from drgn_tf.models.context import thumbnail

SAMPLES = SampleOptions(
    crop_size=32, batch_size=4, seed=5, photometric_fraction=0.5, exposure_jitter=1.0,
    references=True,
)  # fmt: skip

PAIRS = SampleOptions(crop_size=16, batch_size=4, seed=5)


@pytest.fixture(scope="module")
def servers():
    return [DataServer(0, "localhost") for _ in range(2)]


@pytest.fixture(scope="module")
def addresses(servers):
    return [server.address for server in servers]


def load(pair_folder, **options):
    view = functools.partial(thumbnail, size=16)
    options = DataOptions(data_dir=str(pair_folder), **options)
    return load_run_data(options, PhotometricOptions(), view)


@pytest.fixture
def photos(pair_folder, tmp_path):
    return load(pair_folder, cache_dir=str(tmp_path / "cache")).training


def assert_same(first, second) -> None:
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_batches_are_those_without_servers(photos, addresses):
    plain = training_dataset(photos, SAMPLES, 3, 12)
    served = training_dataset(photos, SAMPLES, 3, 12, servers=addresses)
    assert served.element_spec == plain.element_spec
    assert_same(served, plain)


def test_one_server_makes_the_part_of_a_worker(photos, addresses):
    shard = Shard(1, 2, replicas=2)
    plain = training_dataset(photos, PAIRS, 1, 4, shard)
    assert_same(training_dataset(photos, PAIRS, 1, 4, shard, addresses[:1]), plain)


def test_fewer_batches_than_servers(photos, addresses):
    served = training_dataset(photos, PAIRS, 0, 1, servers=addresses)
    assert_same(served, training_dataset(photos, PAIRS, 0, 1))


def test_parts_are_taken_in_turn(addresses):
    # The second server is slower.
    parts = [tf.data.Dataset.range(turn, 50, 2) for turn in range(2)]
    parts[1] = parts[1].map(lambda x: x + tf.cast(tf.norm(tf.zeros([10**6])), tf.int64))
    numbers = made_by_servers(parts, addresses, 50)
    assert list(numbers.as_numpy_iterator()) == list(range(50))


def test_batch_of_another_number_stops_the_run(photos, addresses, monkeypatch):
    def without_the_first(parts, servers, count):
        return made_by_servers([part.skip(1) for part in parts], servers, count)

    monkeypatch.setattr("drgn_tf.data.dataset.made_by_servers", without_the_first)
    served = training_dataset(photos, PAIRS, 0, 4, servers=addresses)
    with pytest.raises(tf.errors.InvalidArgumentError, match="another batch than the next"):
        next(iter(served))


def test_photos_that_a_server_does_not_see_are_named(photos, addresses, tmp_path):
    served = training_dataset(photos, PAIRS, 0, 1, servers=addresses[:1])
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(tf.errors.NotFoundError, match=r"\.pixels; No such file"):
        next(iter(served))


def test_service_without_cache_is_refused(pair_folder, addresses):
    with pytest.raises(DataError, match=r"--data_service needs --cache_dir"):
        load(pair_folder, data_service=tuple(addresses))


@pytest.mark.parametrize(
    ("address", "said"),
    [("localhost:5050", "write grpc://host:port"), ("grpc://localhost:1", "no data server")],
)
def test_address_where_nobody_answers_is_named(pair_folder, tmp_path, address, said):
    with pytest.raises(DataError, match=f"--data_service={address}: .*{said}") as caught:
        load(pair_folder, cache_dir=str(tmp_path / "cache"), data_service=(address,))
    assert len(str(caught.value).splitlines()) == 1


def test_port_in_use_is_named(addresses):
    port = int(addresses[0].rpartition(":")[2])
    with pytest.raises(DataError, match=f"port.*{port}.*--port"):
        DataServer(port, "localhost")


def test_a_server_that_goes_is_noticed(monkeypatch):
    monkeypatch.setattr(service, "_SECONDS_BETWEEN_CALLS", 0.01)
    stays, goes = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    addresses = [f"grpc://127.0.0.1:{server.getsockname()[1]}" for server in (stays, goes)]
    lost = queue.Queue()
    watch_servers(addresses, lost.put)
    with pytest.raises(queue.Empty):
        lost.get(timeout=0.5)
    goes.close()
    assert addresses[1] in str(lost.get(timeout=60))
    stays.close()
