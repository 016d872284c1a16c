"""What a server and its clients rely on in the exported SavedModel."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps
from tensorflow.core.protobuf import fingerprint_pb2, saved_model_pb2

from drgn_tf.exports.saved_model import ServingOptions, export_saved_model, fix_fingerprint
from drgn_tf.exports.serving_warmup import PATH, prediction_log
from drgn_tf.exports.verification import verify_serving
from drgn_tf.inference import load_driver
from drgn_tf.inference.keras_driver import KerasDriver
from drgn_tf.serving import messages
from tests.cpp_session import CppSession

# Made once with tensorflow-serving-api 2.21: a request for "float_tile" of "net", with "image"
# [[1, 2]] and "thumbnail" [b"x"].
REAL_MESSAGE = bytes.fromhex(
    "324a0a480a110a036e65741a0a666c6f61745f74696c6512190a05696d61676512100804120812"
    "020801120208022202010212180a097468756d626e61696c120b0807120412020801420178"
)
_FREE = [None, None, None, 3]
_STAGES = ["base", "degradation", "enhanced"]
AUTOMATIC_SIGNATURES = {
    "serving_default": ({"image": ("uint8", _FREE)}, ["enhanced"]),
    "float_whole": ({"image": ("float32", _FREE)}, ["enhanced"]),
    "float_tiled": (
        {"image": ("float32", _FREE), "thumbnail": ("float32", [None, 16, 16, 3])},
        _STAGES,
    ),
    "image_bytes": ({"image_bytes": ("string", [None])}, ["enhanced_bytes"]),
    "stages": ({"image": ("uint8", _FREE)}, _STAGES),
}
SIZES = ((64, 48), (37, 53), (1, 1), (3, 5), (17, 2))


@pytest.fixture(scope="module")
def path(saved_model):
    return saved_model


@pytest.fixture(scope="module")
def reloaded(path):
    return tf.saved_model.load(str(path))


def encoded(image: np.ndarray, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def enhanced(model, image: np.ndarray) -> np.ndarray:
    result = np.asarray(model(image[np.newaxis] / np.float32(255))["enhanced"])[0]
    return np.round(255 * result)


def test_signatures_have_names_and_free_sizes(reloaded):
    described = {}
    for name, signature in reloaded.signatures.items():
        inputs = signature.structured_input_signature[1]
        described[name] = (
            {key: (spec.dtype.name, spec.shape.as_list()) for key, spec in inputs.items()},
            sorted(signature.structured_outputs),
        )
    assert described == {**AUTOMATIC_SIGNATURES, **{
        f"{name}_with_brightness": (
            {**inputs, "brightness": ("float32", [None, 1])}, sorted([*outputs, "brightness"])
        )
        for name, (inputs, outputs) in AUTOMATIC_SIGNATURES.items()
    }}  # fmt: skip


@pytest.mark.long
def test_a_network_without_brightness_has_the_automatic_signatures(plain_model, tmp_path):
    path = tmp_path / "1"
    export_saved_model(plain_model, path, name="tiny", warmup_photos=[],
                       options=ServingOptions(stages=True))  # fmt: skip
    assert set(tf.saved_model.load(str(path)).signatures) == set(AUTOMATIC_SIGNATURES)
    driver = load_driver(path)
    assert not driver.takes_brightness
    image = np.full((1, 9, 14, 3), 0.1, np.float32)
    result = driver.run(image)["enhanced"]
    np.testing.assert_allclose(result, plain_model(image)["enhanced"], atol=1e-5)


def test_photos_are_as_bright_as_asked(reloaded, tiny_model, dark_photos):
    photos = np.stack([photo[:37, :53] for photo in dark_photos[:2]])
    floats = photos / np.float32(255)
    asked = np.array([[0.0], [0.6]], np.float32)
    expected = tiny_model(floats, brightness=asked)
    proposed = tiny_model.predicted_brightness(floats)
    np.testing.assert_allclose(expected["brightness"][0], proposed[0], atol=1e-6)

    def called(name, **inputs):
        inputs = {key: tf.constant(value) for key, value in inputs.items()}
        results = reloaded.signatures[f"{name}_with_brightness"](**inputs)
        np.testing.assert_allclose(results["brightness"], expected["brightness"], atol=1e-5)
        return {key: value.numpy() for key, value in results.items()}

    bytes_ = np.round(255 * expected["enhanced"])
    result = called("serving_default", image=photos, brightness=asked)["enhanced"]
    assert np.abs(result - bytes_).max() <= 1
    files = [encoded(photo, "PNG") for photo in photos]
    results = called("image_bytes", image_bytes=files, brightness=asked)["enhanced_bytes"]
    for result, image in zip(results, bytes_):
        assert np.abs(decoded(result) - image).max() <= 1
    for name, image in [("float_whole", floats), ("stages", photos)]:
        result = called(name, image=image, brightness=asked)["enhanced"]
        np.testing.assert_allclose(result, expected["enhanced"], atol=1e-5)
    thumbnail = np.asarray(tiny_model.thumbnail(floats))
    result = called("float_tiled", image=floats, thumbnail=thumbnail, brightness=asked)
    np.testing.assert_allclose(result["enhanced"], expected["enhanced"], atol=1e-5)


def test_the_network_is_in_the_file_once(path):
    proto = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    functions = proto.meta_graphs[0].graph_def.library.function
    convolutions = [sum(n.op == "Conv2D" for n in function.node_def) for function in functions]
    assert sum(count > 20 for count in convolutions) == 1


@pytest.mark.parametrize("size", SIZES)
def test_images_are_the_networks(reloaded, tiny_model, dark_photos, size):
    height, width = size
    images = np.stack([photo[:height, :width] for photo in dark_photos[:2]])
    floats = images / np.float32(255)
    thumbnails = tiny_model.thumbnail(dark_photos[0][np.newaxis] / np.float32(255))
    thumbnails = np.repeat(thumbnails, len(images), axis=0)
    whole, tile = tiny_model(floats), tiny_model(floats, thumbnails)
    signatures = reloaded.signatures

    result = signatures["serving_default"](image=tf.constant(images))["enhanced"]
    assert result.dtype == tf.uint8
    assert np.abs(result.numpy() - np.round(255 * whole["enhanced"])).max() <= 1
    result = signatures["float_whole"](image=tf.constant(floats))["enhanced"]
    np.testing.assert_allclose(result, whole["enhanced"], atol=1e-5)
    results = signatures["float_tiled"](image=tf.constant(floats), thumbnail=thumbnails)
    for name, image in results.items():
        np.testing.assert_allclose(image, tile[name], atol=1e-5)
    results = signatures["stages"](image=tf.constant(images))
    for name, image in results.items():
        np.testing.assert_allclose(image, whole[name], atol=1e-5)


def test_encoded_photos_of_different_sizes_and_kinds(reloaded, tiny_model, dark_photos):
    photo = dark_photos[0]
    grey = np.repeat(photo[:9, :30, :1], 3, axis=2)
    opaque = np.full((24, 10, 1), 255, np.uint8)
    deep = cv2.imencode(".png", photo[:40, :33, ::-1].astype(np.uint16) * 257)[1].tobytes()
    jpeg = encoded(photo[:37, :53], "JPEG", quality=90)
    batch = {
        "RGB": (encoded(photo[:31, :44], "PNG"), photo[:31, :44]),
        "grey": (encoded(grey[..., 0], "PNG"), grey),
        "RGBA": (encoded(np.dstack([photo[:24, :10], opaque]), "PNG"), photo[:24, :10]),
        "16 bits": (deep, photo[:40, :33]),
        "JPEG": (jpeg, decoded(jpeg)),
        "WebP": (encoded(photo[:20, :21], "WEBP", lossless=True), photo[:20, :21]),
    }
    data = tf.constant([content for content, _ in batch.values()])
    results = reloaded.signatures["image_bytes"](image_bytes=data)["enhanced_bytes"].numpy()
    for (kind, (_, image)), result in zip(batch.items(), results):
        assert result.startswith(b"\x89PNG"), kind
        assert np.abs(decoded(result) - enhanced(tiny_model, image)).max() <= 1, kind


@pytest.mark.parametrize("data", [b"", b"no photo", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_photo_is_an_error_that_names_it(reloaded, dark_photos, data):
    good = encoded(dark_photos[0][:8, :8], "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        reloaded.signatures["image_bytes"](image_bytes=tf.constant([good, data, good]))
    # TensorFlow in Python puts lines before it, a server does not.
    lines = raised.value.message.splitlines()
    assert "assertion failed: [File 2 of 3 is no JPEG, PNG, WebP, BMP or GIF file. ]" in lines
    assert "map/" not in raised.value.message


def test_half_a_jpeg_is_an_error(reloaded):
    with pytest.raises(tf.errors.InvalidArgumentError, match="JPEG"):
        reloaded.signatures["image_bytes"](image_bytes=tf.constant([b"\xff\xd8\xff\xe0 half"]))


def claiming(kind: str, width: int, height: int) -> bytes:
    """Returns a small file whose header claims another size."""
    data = bytearray(encoded(np.zeros((8, 8, 3), np.uint8), kind, **{"lossless": True}))
    if kind == "PNG":
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    elif kind == "BMP":
        data[18:26] = width.to_bytes(4, "little") + (2**32 - height).to_bytes(4, "little")
    elif kind == "GIF":
        data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    elif kind == "WEBP":
        bits = int.from_bytes(data[21:25], "little") >> 28 << 28
        data[21:25] = (bits | (width - 1) | (height - 1) << 14).to_bytes(4, "little")
    else:
        start = data.index(b"\xff\xc0") + 5
        data[start : start + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_too_large_a_file_is_refused_before_it_is_decoded(reloaded, dark_photos, kind):
    good = encoded(dark_photos[0][:8, :8], "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        reloaded.signatures["image_bytes"](
            image_bytes=tf.constant([good, claiming(kind, 16000, 16001)])
        )
    said = "File 2 of 2 has 16000x16001 pixels, and at most 16000000 are taken; send a smaller one."
    assert said in raised.value.message


@pytest.mark.long
def test_answers_as_jpeg_and_turned_as_exif_says(tiny_model, dark_photos, tmp_path):
    path, photo = tmp_path / "1", dark_photos[0][:36, :52]
    options = ServingOptions(max_megapixels=1, jpeg_quality=92, upright=True)
    export_saved_model(tiny_model, path, name="tiny", warmup_photos=[], options=options)
    verify_serving(path, KerasDriver(tiny_model, path), dark_photos, jpeg_quality=92)
    signature = tf.saved_model.load(str(path)).signatures["image_bytes"]
    files, upright = [encoded(photo, "JPEG")], [decoded(encoded(photo, "JPEG"))]
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010F], exif[0x0112] = "Maker", orientation
        files.append(encoded(photo, "JPEG", exif=exif.tobytes()))
        with Image.open(io.BytesIO(files[-1])) as image:
            upright.append(np.asarray(ImageOps.exif_transpose(image)))
    results = signature(image_bytes=tf.constant(files))["enhanced_bytes"].numpy()
    for result, image in zip(results, upright, strict=True):
        assert result.startswith(b"\xff\xd8")
        expected = enhanced(tiny_model, image)
        assert decoded(result).shape == expected.shape
        assert np.abs(decoded(result) - expected).mean() < 4


def test_each_weight_is_saved_once(path, tiny_model):
    saved = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    shapes = saved.get_variable_to_shape_map()
    weights = [shape for name, shape in shapes.items() if not name.startswith("_CHECKPOINT")]
    expected = [list(variable.shape) for variable in tiny_model.variables]
    assert sorted(weights) == sorted(expected)


def test_nothing_in_it_is_random(path, tmp_path):
    """TensorFlow writes a random number; all else is equal from export to export."""
    fingerprint = fingerprint_pb2.FingerprintDef.FromString((path / "fingerprint.pb").read_bytes())
    assert fingerprint.uuid.isdigit()
    fingerprint.uuid = "123"
    (tmp_path / "fingerprint.pb").write_bytes(fingerprint.SerializeToString())
    fix_fingerprint(tmp_path / "fingerprint.pb")
    assert (tmp_path / "fingerprint.pb").read_bytes() == (path / "fingerprint.pb").read_bytes()


def test_the_driver_runs_it(path, tiny_model, dark_photos):
    driver = load_driver(path.parent)
    assert (driver.path, driver.size, driver.thumbnail_size) == (path, None, 16)
    assert driver.takes_brightness
    image = dark_photos[0][np.newaxis, :30, :50] / np.float32(255)
    expected = tiny_model(image, tiny_model.thumbnail(image))
    results = driver.run(image, np.asarray(tiny_model.thumbnail(image)))
    assert driver.outputs == ("base", "degradation", "enhanced")
    assert sorted(results) == ["base", "brightness", "degradation", "enhanced"]
    np.testing.assert_allclose(results["enhanced"], expected["enhanced"], atol=1e-5)


def test_every_signature_is_warmed_up_with_a_request_it_answers(path, reloaded):
    warmed = []
    for record in tf.data.TFRecordDataset(str(path / PATH)):
        request = messages.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {}
        for entry in request.inputs:
            inputs[entry.key] = tf.constant(messages.to_array(entry.value))
        signature = request.model_spec.signature_name
        results = reloaded.signatures[signature](**inputs)
        assert all(len(result) == 1 for result in results.values())
        warmed.append(signature)
    assert sorted(warmed) == sorted(reloaded.signatures)


def test_warm_up_requests_are_tensorflow_servings_messages():
    image, thumbnail = np.array([[1, 2]], np.uint8), np.array([b"x"], object)
    log = prediction_log("net", "float_tile", {"image": image, "thumbnail": thumbnail})
    assert log == REAL_MESSAGE


@pytest.mark.long
def test_a_killed_export_leaves_nothing_that_looks_whole(tiny_model, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("drgn_tf.exports.saved_model.write_requests", killed)
    with pytest.raises(KeyboardInterrupt):
        export_saved_model(tiny_model, tmp_path / "1", name="tiny", warmup_photos=[])
    assert not list(tmp_path.iterdir())


def test_tensorflows_cpp_loader_runs_it(path, tiny_model, dark_photos):
    session = CppSession(path)
    photo = dark_photos[0][:37, :53]
    for name, feed, fetch in (
        ("serving_default", photo[np.newaxis], "enhanced"),
        ("image_bytes", np.array([encoded(photo, "PNG")], object), "enhanced_bytes"),
    ):
        signature = session.signatures[name]
        (given,) = signature.inputs.values()
        results = session.run({fetch: signature.outputs[fetch].name}, {given.name: feed})
        result = results[fetch][0] if fetch == "enhanced" else decoded(results[fetch][0])
        assert np.abs(result - enhanced(tiny_model, photo)).max() <= 1
    session.close()
