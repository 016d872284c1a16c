"""SavedModels that do more than compute, and damaged ones: one line, and nothing of them runs."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from drgn_tf.inference import ModelFileError, load_driver


def said(path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_driver(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line


def write(image, target):
    with tf.control_dependencies([tf.io.write_file(target, "written")]):
        return tf.identity(image)


def save(image, target):
    saved = tf.raw_ops.SaveV2(
        prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[image]
    )
    with tf.control_dependencies([saved]):
        return tf.identity(image)


def in_a_branch(image, target):
    return tf.cond(tf.reduce_all(image >= 0), lambda: save(image, target), lambda: image)


def python(image, target):
    return tf.ensure_shape(tf.py_function(lambda x: x, [image], tf.float32), image.shape)


def endless(image, target):
    return tf.while_loop(lambda _: tf.constant(True), lambda x: [x + 1.0], [image])[0]


@pytest.mark.parametrize("evil", [write, save, in_a_branch, python, endless])
def test_a_graph_that_does_more_than_compute_is_refused(tmp_path, evil):
    class Network(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], name="image")])
        def whole(self, image):
            return {"enhanced": evil(image, str(tmp_path / "written"))}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, None, 3], name="image"),
                tf.TensorSpec([None, 8, 8, 3], name="thumbnail"),
            ]
        )
        def tiled(self, image, thumbnail):
            return {"enhanced": evil(image, str(tmp_path / "written"))}

    network = Network()
    signatures = {"float_whole": network.whole, "float_tiled": network.tiled}
    tf.saved_model.save(network, str(tmp_path / "net"), signatures)
    assert "which a network that only computes does not need" in said(tmp_path / "net")
    assert not list(tmp_path.glob("written*"))


def test_a_signature_that_saves_by_itself_is_refused(saved_model, tmp_path):
    shutil.copytree(saved_model, tmp_path / "net")
    path = tmp_path / "net" / "saved_model.pb"
    proto = SavedModel.FromString(path.read_bytes())
    functions = proto.meta_graphs[0].graph_def.library.function
    called = {
        value.func.name
        for function in functions
        for node in function.node_def
        for value in node.attr.values()
    }
    wrapper = next(
        function
        for function in functions
        if "signature_wrapper" in function.signature.name and function.signature.name not in called
    )
    wrapper.node_def.add(name="evil", op="SaveV2")
    path.write_bytes(proto.SerializeToString())
    assert "holds the operator 'SaveV2'" in said(tmp_path / "net")


def test_a_function_that_calls_itself_is_refused(saved_model, tmp_path):
    shutil.copytree(saved_model, tmp_path / "net")
    path = tmp_path / "net" / "saved_model.pb"
    proto = SavedModel.FromString(path.read_bytes())
    graph = proto.meta_graphs[0]
    objects = graph.object_graph_def.nodes
    (signatures,) = (x.node_id for x in objects[0].children if x.local_name == "signatures")
    (tiled,) = (x.node_id for x in objects[signatures].children if x.local_name == "float_tiled")
    name = objects[tiled].bare_concrete_function.concrete_function_name
    (wrapper,) = (x for x in graph.graph_def.library.function if x.signature.name == name)
    (call,) = (node for node in wrapper.node_def if node.attr["f"].func.name)
    call.attr["f"].func.name = name
    path.write_bytes(proto.SerializeToString())
    assert "a function that calls itself" in said(tmp_path / "net")


def test_files_that_it_brings_are_refused(tmp_path):
    (tmp_path / "words.txt").write_text("word")
    network = tf.Module()
    network.words = tf.saved_model.Asset(str(tmp_path / "words.txt"))
    tf.saved_model.save(network, str(tmp_path / "net"))
    assert "an object of the kind asset" in said(tmp_path / "net")


def test_a_module_without_signatures_is_one_line(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "net"))
    assert "lacks the signature float_whole" in said(tmp_path / "net")


@pytest.mark.parametrize("name", ["fingerprint.pb", "variables/variables.index"])
def test_pipes_are_not_waited_for(saved_model, tmp_path, name):
    shutil.copytree(saved_model, tmp_path / "net")
    (tmp_path / "net" / name).unlink()
    os.mkfifo(tmp_path / "net" / name)
    assert "is no regular file" in said(tmp_path / "net")


def test_a_huge_graph_is_not_read(saved_model, tmp_path):
    shutil.copytree(saved_model, tmp_path / "net")
    os.truncate(tmp_path / "net" / "saved_model.pb", 3 * 2**30)
    assert "holds a saved_model.pb of 3221225472 bytes" in said(tmp_path / "net")


@pytest.mark.long
def test_damage_is_one_line_or_harmless(saved_model, tmp_path):
    path = tmp_path / "net"
    shutil.copytree(saved_model, path)
    whole = (path / "saved_model.pb").read_bytes()
    for content in (b"", b"no protocol buffer", whole[: len(whole) // 2]):
        (path / "saved_model.pb").write_bytes(content)
        said(path)
    generator = np.random.default_rng(3)
    for _ in range(2):
        changed = bytearray(whole)
        for place in generator.integers(0, len(whole), 20):
            changed[place] = generator.integers(256)
        (path / "saved_model.pb").write_bytes(changed)
        try:
            load_driver(path)
        except ModelFileError as error:
            assert "\n" not in str(error)
    (path / "saved_model.pb").write_bytes(whole)
    load_driver(path)
    for file in (path / "variables").iterdir():
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        said(path)
        file.write_bytes(content)
    shutil.rmtree(path / "variables")
    said(path)
