"""Hostile and damaged `.keras` files: one line, and nothing in them is run."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from drgn_tf.models import ModelFileError, load_model

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@pytest.fixture(scope="module")
def members(model, tmp_path_factory) -> dict[str, bytes]:
    """What is in the file of a network."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def packed(tmp_path, members):
    """Gives a file with other members: bytes, or None for none."""

    def pack(changes: dict[str, bytes | None], compression=zipfile.ZIP_STORED):
        path = tmp_path / "hostile.keras"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in {**members, **changes}.items():
                if content is not None:
                    archive.writestr(name, content)
        return path

    return pack


def said(path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line


def changed(members, **changes) -> bytes:
    """The configuration with other values: of the class, of its arguments, or of its options."""
    config = json.loads(members[CONFIG])
    for name, value in changes.items():
        places = (config, config["config"], config["config"]["options"])
        place = next((place for place in places if name in place), config["config"])
        place[name] = value
    return json.dumps(config).encode()


def test_a_repacked_file_is_the_same_network(model, packed):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        opened = load_model(packed({}, compression))
        assert opened.options == model.options
        for weight, expected in zip(opened.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)


def test_lambda_layers_are_not_run(tmp_path, monkeypatch):
    """Keras, which a program may have told to run them, does not see the file."""
    network = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1)])
    network.save(tmp_path / "hostile.keras")
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras saw it"))
    assert "holds 'Sequential', not a DRGN" in said(tmp_path / "hostile.keras")


@pytest.mark.parametrize(
    "changes",
    [
        {"module": "os", "class_name": "system"},
        {"class_name": "Lambda"},
        {"name": {"class_name": "Lambda", "config": {}, "registered_name": None}},
        {"dtype": {"module": "os", "class_name": "system", "config": "true"}},
        {"more": {"class_name": "__lambda__"}},
    ],
)
def test_a_drgn_made_of_other_classes_is_refused(packed, members, changes):
    line = said(packed({CONFIG: changed(members, **changes)}))
    assert "its configuration is not one of a DRGN" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 2**20}, "width must be from 1 to 1024, not 1048576"),
        ({"branch_blocks": 10**9}, "branch_blocks must be from 0 to 64"),
        ({"width": 8.0}, "width must be of type int"),
        ({"scales": True}, "scales must be of type int"),
        ({"two_step": "yes"}, "two_step must be of type bool"),
        ({"options": {"wide": 3}}, "unexpected keyword argument 'wide'"),
        ({"options": [1]}, "must be a mapping"),
        # 66 GB, if it were made.
        ({"width": 1024, "branch_blocks": 64, "fusion_blocks": 64}, "and holds"),
    ],
)
def test_shapes_out_of_range_are_refused(packed, members, changes, words):
    assert words in said(packed({CONFIG: changed(members, **changes)}))


@pytest.mark.parametrize(
    "changes",
    [{"../../escaped": b"x"}, {"/tmp/escaped": b"x"}, {"assets/a": b"x"}, {CONFIG: None},
     {WEIGHTS: None}, {WEIGHTS: None, "model.weights.npz": b"x"}],
)  # fmt: skip
def test_other_members_are_refused(packed, changes):
    assert "holds other files than a network's" in said(packed(changes))


def test_a_member_that_is_there_twice_is_refused(packed, members):
    path = packed({})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(CONFIG, members[CONFIG])
    assert "holds other files" in said(path)


@pytest.mark.parametrize(
    ("name", "content"), [(WEIGHTS, bytes(10**8)), (CONFIG, b" " * 10**8 + b"{}")]
)
def test_bombs_are_not_unpacked(packed, name, content):
    line = said(packed({name: content}, zipfile.ZIP_DEFLATED))
    assert f"{name} in it has 1000000" in line


def test_json_of_any_length_is_not_read(packed, members):
    line = said(packed({CONFIG: members[CONFIG] + b" " * 2**16}))
    assert "more than a network needs" in line


def test_a_wrong_checksum_is_found(packed, members):
    path = packed({})
    whole = bytearray(path.read_bytes())
    whole[whole.index(members[WEIGHTS][-500:]) + 250] ^= 1
    path.write_bytes(whole)
    assert "a checksum is wrong" in said(path)


def test_weights_have_four_bytes_each(packed, members):
    options = json.loads(members[CONFIG])["config"]["options"]
    # Blocks of two 3x3 convolutions in each generator: twice as many weights as the file has bytes
    # for.
    each = 2 * 2 * 9 * options["width"] ** 2
    branches, rest = divmod(len(members[WEIGHTS]) // (2 * each), options["scales"])
    blocks = {"branch_blocks": branches, "fusion_blocks": rest}
    line = said(packed({CONFIG: changed(members, **blocks)}))
    assert "declares a network of at least" in line


def hostile_weights(members, spoil) -> bytes:
    buffer = io.BytesIO(members[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        found = []
        file.visititems(lambda name, entry: found.append((name, entry)))
        name = next(name for name, entry in found if isinstance(entry, h5py.Dataset))
        del file[name]
        spoil(file, name)
    return buffer.getvalue()


def shape_bomb(file, name):
    file.create_dataset(name, (2**20, 2**20), "f4", chunks=(64, 64), compression="gzip")


def link_elsewhere(file, name):
    file[name] = h5py.ExternalLink("/etc/passwd", "/")


@pytest.mark.parametrize("spoil", [shape_bomb, link_elsewhere, lambda file, name: None])
def test_weights_that_are_none_are_refused(packed, members, spoil):
    assert "cannot be opened" in said(packed({WEIGHTS: hostile_weights(members, spoil)}))


def test_damage_anywhere_is_one_line_or_harmless(model, packed):
    path = packed({})
    whole = path.read_bytes()
    for part in range(0, len(whole), len(whole) // 7):
        path.write_bytes(whole[:part])
        said(path)
        path.write_bytes(whole[:part] + bytes([whole[part] ^ 1]) + whole[part + 1 :])
        try:
            weights = load_model(path).get_weights()
        except ModelFileError as error:
            assert "\n" not in str(error)
        else:
            for weight, expected in zip(weights, model.get_weights(), strict=True):
                np.testing.assert_array_equal(weight, expected)


def test_json_that_is_no_configuration_is_one_line(packed):
    for content in (
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 60000,
        b'{"registered_name": "drgn_tf>DRGN"}',
    ):
        said(packed({CONFIG: content}))
