from __future__ import annotations

import pathlib

import pytest

from drgn_tf.exports.measurement import measure


@pytest.mark.long
def test_an_artefact_is_timed_in_its_own_process(tiny_model, dark_photos, tmp_path, monkeypatch):
    tiny_model.save(tmp_path / "tiny.keras")
    # A path counts from the folder of the user, whatever that of the process is.
    monkeypatch.chdir(tmp_path)
    measured = measure(pathlib.Path("tiny.keras"), dark_photos[0][:64, :96], threads=1)
    assert measured.size == (64, 96) and measured.threads == 1
    assert measured.runs >= 3 and 0 < measured.median <= measured.p90
    assert 0 < measured.memory < 2000


def test_what_cannot_be_run_is_named(dark_photos, tmp_path):
    with pytest.raises(RuntimeError, match=r"net\.onnx: cannot be measured: .*net\.onnx.*"):
        measure(tmp_path / "net.onnx", dark_photos[0], threads=1)
