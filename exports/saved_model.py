"""A SavedModel for TF Serving.

One network, several signatures (functions that a server offers by name):

    serving_default  image uint8 [B, H, W, 3]            -> enhanced uint8
    image_bytes      image_bytes string [B]              -> enhanced_bytes string [B]
    float_whole      image float32 [B, H, W, 3]          -> enhanced float32
    float_tiled      image float32 [B, H, W, 3],         -> degradation, base, enhanced float32
                     thumbnail float32 [B, T, T, 3]
    stages           image uint8 [B, H, W, 3]            -> degradation, base, enhanced float32

Where the network takes a brightness, each has a second form, <name>_with_brightness, with a
further input and output:

    brightness float32 [B, 1], 0 for automatic           -> brightness float32 [B, 1], aimed at

Floats are RGB in [0, 1]. B, H and W are free, from 1: the graph pads and crops by itself.
The photos in one request have equal sizes, except in image_bytes, where each is decoded,
enhanced and encoded by itself. The result is PNG: it loses nothing, and JPEG noise is not
what one wants in a photo that was just brightened. Names ending in _bytes make TF Serving's
REST interface use base64.

Every signature gets a warm-up request; see `drgn_tf.exports.serving_warmup`.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.exports.serving_warmup import prediction_log, write_requests
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN

_UINT8 = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
_FLOAT32 = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
_ENCODED = tf.TensorSpec([None], tf.string, name="image_bytes")
_BRIGHTNESS = tf.TensorSpec([None, 1], tf.float32, name="brightness")
_SUFFIX = "_with_brightness"
_STAGES = ("degradation", "base", "enhanced")


def export_saved_model(
    model: DRGN,
    path: pathlib.Path,
    *,
    name: str,
    warmup_photos: Sequence[np.ndarray],
    stages: bool = False,
) -> None:
    """Writes a SavedModel.

    Args:
      model: the trained network.
      path: the folder to create; TF Serving expects an integer as its name.
      name: of the model, for the warm-up requests.
      warmup_photos: low-light photos for the warm-up requests, uint8 [H, W, 3].
      stages: whether to add the signature `stages`.

    Raises:
      UserError: it cannot be written.
    """
    module = tf.Module()
    # Signatures only refer to variables; the module must hold them to be saved.
    module.weights = [variable.value for variable in model.variables]
    signatures = _signatures(model, stages)
    logs = [
        prediction_log(name, key, _request(model, photo, signature.input_signature))
        for photo in warmup_photos
        for key, signature in signatures.items()
    ]
    with atomic_path(path) as beside:
        tf.saved_model.save(module, str(beside), signatures=signatures)
        write_requests(beside, logs)


def _signatures(model: DRGN, stages: bool) -> dict[str, Callable]:
    side, takes_brightness = model.options.thumbnail_size, model.options.brightness
    thumbnails = tf.TensorSpec([None, side, side, 3], tf.float32, name="thumbnail")

    # All signatures call this one, so that the file holds one graph of the network.
    @tf.function(input_signature=[_FLOAT32, thumbnails, _BRIGHTNESS])
    def network(image, thumbnail, brightness):
        return dict(model(image, thumbnail, brightness if takes_brightness else None))

    def run(names, image, brightness, thumbnail=None):
        """Returns images, and with a brightness given the one aimed at."""
        if thumbnail is None:
            thumbnail = model.thumbnail(image)
        asked = tf.fill([tf.shape(image)[0], 1], AUTOMATIC) if brightness is None else brightness
        results = network(image, thumbnail, asked)
        names = names if brightness is None else [*names, "brightness"]
        return {name: results[name] for name in names}

    def serving_default(image, brightness=None):
        results = run(["enhanced"], _to_float(image), brightness)
        return {**results, "enhanced": _to_uint8(results["enhanced"])}

    def float_whole(image, brightness=None):
        return run(["enhanced"], image, brightness)

    def float_tiled(image, thumbnail, brightness=None):
        return run(_STAGES, image, brightness, thumbnail)

    def all_stages(image, brightness=None):
        return run(_STAGES, _to_float(image), brightness)

    def image_bytes(image_bytes, brightness=None):
        def enhance_encoded(inputs):
            asked = None if brightness is None else inputs[1][tf.newaxis]
            results = run(["enhanced"], _decoded(inputs[0])[tf.newaxis], asked)
            encoded = {"enhanced_bytes": tf.io.encode_png(_to_uint8(results.pop("enhanced"))[0])}
            return {**encoded, **{name: value[0] for name, value in results.items()}}

        inputs, types = (image_bytes,), {"enhanced_bytes": tf.string}
        if brightness is not None:
            inputs, types = (image_bytes, brightness), {**types, "brightness": tf.float32}
        # One after another: side by side they would need the memory of all at once.
        return tf.map_fn(enhance_encoded, inputs, fn_output_signature=types, parallel_iterations=1)

    functions = {
        "serving_default": ([_UINT8], serving_default),
        "image_bytes": ([_ENCODED], image_bytes),
        "float_whole": ([_FLOAT32], float_whole),
        "float_tiled": ([_FLOAT32, thumbnails], float_tiled),
        **({"stages": ([_UINT8], all_stages)} if stages else {}),
    }
    signatures = {}
    for key, (specs, function) in functions.items():
        signatures[key] = tf.function(function, input_signature=specs)
        if takes_brightness:
            specs = [*specs, _BRIGHTNESS]
            signatures[f"{key}{_SUFFIX}"] = tf.function(function, input_signature=specs)
    return signatures


def _decoded(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a photo of any channels and bit depth to RGB floats [H, W, 3]."""
    is_png = tf.equal(tf.strings.substr(encoded, 0, 4), b"\x89PNG")
    image = tf.case(
        [
            # TensorFlow's default is a fast JPEG decoder with errors of up to 6 levels.
            (
                tf.io.is_jpeg(encoded),
                lambda: _to_float(tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE")),
            ),
            # 8-bit photos are widened to 16 bits exactly.
            (is_png, lambda: tf.cast(tf.io.decode_png(encoded, 3, tf.uint16), tf.float32) / 65535),
        ],
        lambda: _to_float(tf.io.decode_image(encoded, 3, expand_animations=False)),
    )
    return tf.ensure_shape(image, [None, None, 3])


def _to_float(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(image, tf.float32) / 255.0


def _to_uint8(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(255.0 * image), tf.uint8)


def _request(model: DRGN, photo: np.ndarray, specs: Sequence[tf.TensorSpec]) -> dict:
    """Returns what a signature with these inputs is warmed up with, by name."""
    images = photo[np.newaxis]
    floats = images / np.float32(255)
    values = {
        "image": {tf.uint8: images, tf.float32: floats},
        "thumbnail": {tf.float32: np.asarray(model.thumbnail(floats))},
        "image_bytes": {tf.string: np.array([tf.io.encode_png(photo).numpy()], dtype=object)},
        "brightness": {tf.float32: np.full((1, 1), AUTOMATIC, np.float32)},
    }
    return {spec.name: values[spec.name][spec.dtype] for spec in specs}
