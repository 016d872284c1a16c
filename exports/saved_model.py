"""A SavedModel for TF Serving.

One set of variables, several signatures (functions that a server offers by name):

    serving_default  image uint8 [B, H, W, 3]            -> enhanced uint8
    float_whole      image float32 [B, H, W, 3]          -> enhanced float32
    float_tiled      image float32 [B, H, W, 3],         -> degradation, base, enhanced float32
                     thumbnail float32 [B, T, T, 3]
    image_bytes      image_bytes string [B]              -> enhanced_bytes string [B]
    stages           image uint8 [B, H, W, 3]            -> degradation, base, enhanced float32

Floats are RGB in [0, 1]. B, H and W may be any number from 1: the graph pads and crops itself.
The photos of a request have equal sizes, except in image_bytes, which decodes, enhances and
encodes each one separately. Its results are PNG, which is lossless: JPEG artefacts would be
visible in brightened photos. Names ending in _bytes make TF Serving's REST interface use base64.

Every signature gets a warm-up request; see `drgn_tf.exports.serving_warmup`.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from drgn_tf.exports.serving_warmup import prediction_log, write_requests
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN

_UINT8 = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
_FLOAT32 = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
_ENCODED = tf.TensorSpec([None], tf.string, name="image_bytes")


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
    logs = [
        prediction_log(name, signature, inputs)
        for photo in warmup_photos
        for signature, inputs in _requests(model, photo, stages)
    ]
    with atomic_path(path) as beside:
        tf.saved_model.save(module, str(beside), signatures=_signatures(model, stages))
        write_requests(beside, logs)


def _signatures(model: DRGN, stages: bool) -> dict[str, Callable]:
    size = model.options.thumbnail_size
    thumbnail = tf.TensorSpec([None, size, size, 3], tf.float32, name="thumbnail")

    @tf.function(input_signature=[_UINT8])
    def serving_default(image):
        return {"enhanced": _to_uint8(model(_to_float(image))["enhanced"])}

    @tf.function(input_signature=[_FLOAT32])
    def float_whole(image):
        return {"enhanced": model(image)["enhanced"]}

    @tf.function(input_signature=[_FLOAT32, thumbnail])
    def float_tiled(image, thumbnail):
        return dict(model(image, thumbnail))

    @tf.function(input_signature=[_UINT8])
    def all_stages(image):
        return dict(model(_to_float(image)))

    def enhance_encoded(encoded):
        enhanced = model(_decoded(encoded)[tf.newaxis])["enhanced"]
        return tf.io.encode_png(_to_uint8(enhanced)[0])

    @tf.function(input_signature=[_ENCODED])
    def image_bytes(image_bytes):
        # One after another: in parallel they would need the memory of all at once.
        enhanced = tf.map_fn(
            enhance_encoded, image_bytes, fn_output_signature=tf.string, parallel_iterations=1
        )
        return {"enhanced_bytes": enhanced}

    signatures = {
        "serving_default": serving_default,
        "float_whole": float_whole,
        "float_tiled": float_tiled,
        "image_bytes": image_bytes,
    }
    return {**signatures, "stages": all_stages} if stages else signatures


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


def _requests(
    model: DRGN, photo: np.ndarray, stages: bool
) -> list[tuple[str, dict[str, np.ndarray]]]:
    images = photo[np.newaxis]
    floats = images / np.float32(255)
    thumbnail = np.asarray(model.thumbnail(floats))
    encoded = np.array([tf.io.encode_png(photo).numpy()], dtype=object)
    requests = [
        ("serving_default", {"image": images}),
        ("float_whole", {"image": floats}),
        ("float_tiled", {"image": floats, "thumbnail": thumbnail}),
        ("image_bytes", {"image_bytes": encoded}),
    ]
    return [*requests, ("stages", {"image": images})] if stages else requests
