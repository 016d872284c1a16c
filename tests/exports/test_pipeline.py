"""What an export leaves behind when all goes well, when something is wrong, when it is killed."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import platform
import shutil

import numpy as np
import pytest

from drgn_tf.errors import UserError
from drgn_tf.exports import pipeline
from drgn_tf.exports.pipeline import Artefact, ExportOptions
from drgn_tf.files import PARTIAL
from drgn_tf.inference.keras_driver import KerasDriver
from drgn_tf.models import DRGN

OPTIONS = ExportOptions(
    "tiny", formats=("onnx",), onnx_layouts=("nhwc",), onnx_precisions=("float32",)
)


@pytest.fixture(scope="module")
def reference(tiny_model):
    return KerasDriver(tiny_model, pathlib.Path("tiny.keras"))


def export_all(reference, options, photos, output_dir):
    artefacts = pipeline.plan(reference.model, options, photos)
    with pipeline.staging(output_dir) as folder:
        return [
            pipeline.export(artefact, folder, output_dir, reference, photos, threads=None)
            for artefact in artefacts
        ]


@pytest.mark.long
def test_artefacts_arrive_with_their_agreement(reference, dark_photos, tmp_path):
    outcomes = export_all(reference, OPTIONS, dark_photos, tmp_path)
    assert [outcome.reason for outcome in outcomes] == [None, None, None]
    for outcome in outcomes:
        assert (tmp_path / outcome.path).stat().st_size == outcome.bytes
        assert outcome.agreement.max_error < 1e-5
        assert outcome.operators["Conv"] > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["onnx"]


@pytest.mark.long
def test_perturbed_weights_are_refused_and_the_others_kept(
    reference, onnx_file, dark_photos, tmp_path
):
    good, _, bad = pipeline.plan(reference.model, OPTIONS, dark_photos)
    write = functools.partial(shutil.copy, onnx_file("nhwc", None, "whole"))
    good = dataclasses.replace(good, write=write)
    other = DRGN.from_config(reference.model.get_config())
    other.build()
    other.set_weights([w * 1.01 for w in reference.model.get_weights()])
    planted = pipeline.plan(other, OPTIONS, dark_photos)[2]
    with pipeline.staging(tmp_path) as folder:
        outcomes = [
            pipeline.export(artefact, folder, tmp_path, reference, dark_photos, threads=None)
            for artefact in (good, Artefact(bad.path, "float32", planted.write))
        ]
    assert outcomes[0].reason is None
    assert "differs from the network by" in outcomes[1].reason
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == [good.path.name]


def test_a_converter_that_fails_is_a_line(reference, dark_photos, tmp_path):
    def fail(path):
        path.write_bytes(b"half")
        raise RuntimeError("no such operator\nand a long trace")

    artefact = Artefact(pathlib.PurePosixPath("onnx", "a.onnx"), "float32", fail)
    with pipeline.staging(tmp_path) as folder:
        outcome = pipeline.export(artefact, folder, tmp_path, reference, dark_photos)
    assert outcome.reason == "a.onnx: no such operator."
    assert not list(tmp_path.iterdir())


def test_what_exists_is_not_replaced_unasked(reference, dark_photos, tmp_path):
    options = ExportOptions("tiny", formats=("saved_model",))
    artefacts = pipeline.plan(reference.model, options, dark_photos)
    (tmp_path / "saved_model" / "1").mkdir(parents=True)
    said = r"saved_model/1: exists; .*--saved_model_version.*--overwrite"
    with pytest.raises(UserError, match=said):
        pipeline.check_targets(artefacts, tmp_path, overwrite=False)
    pipeline.check_targets(artefacts, tmp_path, overwrite=True)


@pytest.mark.long
def test_a_replaced_version_is_whole(reference, saved_model, dark_photos, tmp_path, monkeypatch):
    monkeypatch.setattr(
        pipeline,
        "export_saved_model",
        lambda model, path, **options: shutil.copytree(saved_model, path),
    )
    options = ExportOptions("tiny", formats=("saved_model",))
    old = tmp_path / "saved_model" / "1" / "old"
    old.parent.mkdir(parents=True)
    old.write_text("earlier")
    (outcome,) = export_all(reference, options, dark_photos, tmp_path)
    assert outcome.reason is None
    assert not old.exists() and (old.parent / "saved_model.pb").exists()
    assert (old.parent / "assets.extra" / "tf_serving_warmup_requests").exists()
    assert [path.name for path in (tmp_path / "saved_model").iterdir()] == ["1"]


def test_what_a_killed_export_left_goes_with_the_next(tmp_path):
    left = tmp_path / f"{PARTIAL}{platform.node()}-abc" / "onnx"
    left.mkdir(parents=True)
    (left / "net.onnx").write_bytes(b"half")
    with pipeline.staging(tmp_path):
        assert not left.exists()
    assert not list(tmp_path.iterdir())


def test_artefacts_that_were_removed_meanwhile_are_missed(tmp_path):
    paths = [pathlib.PurePosixPath("onnx", name) for name in ("a.onnx", "b.onnx")]
    (tmp_path / "onnx").mkdir()
    (tmp_path / paths[0]).write_text("")
    fields = dataclasses.fields(pipeline.Success)
    made = [
        pipeline.Success(path, **{f.name: None for f in fields if f.init and f.name != "path"})
        for path in paths
    ]
    first, second = pipeline.confirmed(made, tmp_path)
    assert first is made[0] and "b.onnx: was made and has been removed since" in second.reason


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    refused = pytest.raises(UserError, match="file: cannot be written to")
    with refused, pipeline.staging(tmp_path / "file"):
        pass


def test_names_tell_size_flavour_and_precision(reference, dark_photos):
    options = ExportOptions("net", tflite_sizes=((64, 96),), onnx_sizes=((32, 48),))
    names = {str(a.path) for a in pipeline.plan(reference.model, options, dark_photos)}
    assert {
        "saved_model/1",
        "tflite/net_dynamic_whole_float32.tflite",
        "tflite/net_64x96_tiled_int8.tflite",
        "onnx/net_nchw_32x48_tiled.onnx",
        "onnx/net_nhwc_dynamic_whole.onnx",
        "onnx/net_nchw_dynamic_whole_brightness.onnx",
        "onnx/net_nchw_dynamic_tiled_float16.onnx",
        "onnx/net_nhwc_32x48_tiled_float16.onnx",
    } < names
    assert len(names) == 1 + 7 + 12
    assert np.all([name.count("/") == 1 for name in names])
    # Accelerators were seen to compute it wrong; CPUs take long for the other.
    assert not any("int16x8" in name or "integer" in name for name in names)
    options = dataclasses.replace(options, formats=("onnx",), onnx_precisions=("integer",))
    names = {a.path.name for a in pipeline.plan(reference.model, options, dark_photos)}
    integers = {"net_nhwc_32x48_tiled_integer.onnx", "net_nchw_32x48_tiled_integer.onnx"}
    assert {name for name in names if "tiled_" in name} == integers


def test_a_network_without_brightness_has_no_files_with_it(plain_model, dark_photos):
    artefacts = pipeline.plan(plain_model, ExportOptions("net"), dark_photos)
    assert not any("brightness" in str(artefact.path) for artefact in artefacts)
    assert len(artefacts) == 1 + 6 + 6
