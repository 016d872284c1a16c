"""What a .tflite file says of itself."""

from __future__ import annotations

import pytest

from drgn_tf.exports.tflite_metadata import packed, read_metadata, unpacked
from drgn_tf.version import __version__


@pytest.fixture(scope="module")
def path(tflite_file):
    return tflite_file("float32")


def test_metadata_of_a_file(path):
    metadata = read_metadata(path)
    assert metadata["name"] == "tiny"
    assert metadata["version"] == __version__
    assert metadata["license"] == "Apache-2.0"
    assert metadata["author"]
    assert "low-light" in metadata["description"]
    image, thumbnail, asked = metadata["inputs"]
    enhanced, aimed = metadata["outputs"]
    names = [tensor["name"] for tensor in (image, thumbnail, asked, enhanced, aimed)]
    assert names == ["image", "thumbnail", "brightness", "enhanced", "aimed_brightness"]
    assert "0 for automatic" in asked["description"] and "aimed at" in aimed["description"]
    # No images, so that no tool takes them for such.
    assert not {"color_space", "mean", "width"} & (asked.keys() | aimed.keys())
    for tensor in (image, thumbnail):
        assert tensor["mean"] == [0.0]
        assert tensor["std"] == [255.0]
    for tensor in (image, thumbnail, enhanced):
        assert tensor["color_space"] == "RGB"
        assert (tensor["min"], tensor["max"]) == ([0.0], [1.0])
    assert (image["height"], image["width"]) == (64, 96)
    assert thumbnail["height"] == thumbnail["width"] == 16


def test_files_that_gpus_compute_wrong_say_so(tflite_file):
    for precision in ("int16x8", "integer"):
        assert "not for GPUs" in read_metadata(tflite_file(precision))["description"]


def test_a_file_without_metadata_is_named(path, tmp_path):
    model = unpacked(path.read_bytes())
    model.metadata = []
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(packed(model))
    with pytest.raises(ValueError, match="holds no metadata"):
        read_metadata(bare)
