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
enhanced and encoded by itself, after the sizes of all were read from their headers. The result is
PNG unless a quality of JPEG is asked for. Names ending in _bytes make TF Serving's REST interface
use base64.

Every signature gets a warm-up request; see `drgn_tf.exports.serving_warmup`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2

from drgn_tf.brightness import AUTOMATIC
from drgn_tf.exports import encoded_photos
from drgn_tf.exports.serving_warmup import prediction_log, write_requests
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN
from drgn_tf.tensors import Tensor

_UINT8 = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
_FLOAT32 = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
_ENCODED = tf.TensorSpec([None], tf.string, name="image_bytes")
_BRIGHTNESS = tf.TensorSpec([None, 1], tf.float32, name="brightness")
_SUFFIX = "_with_brightness"
_STAGES = ("degradation", "base", "enhanced")


@dataclasses.dataclass(frozen=True)
class ServingOptions:
    """What a SavedModel does with photo files, and which signatures it has.

    Attributes:
      max_megapixels: of the largest photo file that is decoded. Photos are run whole: one of
        12 megapixels needs about 1.5 GB with the mobile network.
      jpeg_quality: of the photo files that it answers with, from 1 to 100; None for PNG.
      upright: whether JPEG files are turned as their EXIF orientation says.
      stages: whether there is a signature for the intermediate images.
    """

    max_megapixels: int = 16
    jpeg_quality: int | None = None
    upright: bool = False
    stages: bool = False


def export_saved_model(
    model: DRGN,
    path: pathlib.Path,
    *,
    name: str,
    warmup_photos: Sequence[np.ndarray],
    options: ServingOptions = ServingOptions(),
) -> None:
    """Writes a SavedModel.

    Args:
      model: the trained network.
      path: the folder to create; TF Serving expects an integer as its name.
      name: of the model, for the warm-up requests.
      warmup_photos: low-light photos for the warm-up requests, uint8 [H, W, 3].
      options: of what it serves.

    Raises:
      UserError: it cannot be written.
    """
    module = tf.Module()
    # Signatures only refer to variables; the module must hold them to be saved.
    module.weights = [variable.value for variable in model.variables]
    signatures = _signatures(model, options)
    logs = [
        prediction_log(name, key, _request(model, photo, signature.input_signature))
        for photo in warmup_photos
        for key, signature in signatures.items()
    ]
    with atomic_path(path) as beside:
        tf.saved_model.save(module, str(beside), signatures=signatures)
        fix_fingerprint(beside / "fingerprint.pb")
        write_requests(beside, logs)


def fix_fingerprint(path: pathlib.Path) -> None:
    """Replaces what is random in a SavedModel, a number in this file, by a hash of the rest."""
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    fingerprint.uuid = ""
    content = fingerprint.SerializeToString(deterministic=True)
    fingerprint.uuid = str(int.from_bytes(hashlib.sha256(content).digest()[:16], "big"))
    path.write_bytes(fingerprint.SerializeToString(deterministic=True))


def _signatures(
    model: DRGN, options: ServingOptions
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    side, takes_brightness = model.options.thumbnail_size, model.options.brightness
    thumbnails = tf.TensorSpec([None, side, side, 3], tf.float32, name="thumbnail")

    def enhance(image: Tensor, thumbnail: Tensor, brightness: Tensor) -> dict[str, Tensor]:
        return dict(model(image, thumbnail, brightness if takes_brightness else None))

    # All signatures call this one, so that the file holds one graph of the network.
    network = tf.function(
        enhance, input_signature=[_FLOAT32, thumbnails, _BRIGHTNESS], autograph=False
    )

    def run(
        names: Sequence[str],
        image: Tensor,
        brightness: Tensor | None,
        thumbnail: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Returns images, and with a brightness given the one aimed at."""
        if thumbnail is None:
            thumbnail = model.thumbnail(image)
        asked = tf.fill([tf.shape(image)[0], 1], AUTOMATIC) if brightness is None else brightness
        results = network(image, thumbnail, asked)
        names = names if brightness is None else [*names, "brightness"]
        return {name: results[name] for name in names}

    def serving_default(image: Tensor, brightness: Tensor | None = None) -> dict[str, Tensor]:
        results = run(["enhanced"], encoded_photos.to_float(image), brightness)
        return {**results, "enhanced": _to_uint8(results["enhanced"])}

    def float_whole(image: Tensor, brightness: Tensor | None = None) -> dict[str, Tensor]:
        return run(["enhanced"], image, brightness)

    def float_tiled(
        image: Tensor, thumbnail: Tensor, brightness: Tensor | None = None
    ) -> dict[str, Tensor]:
        return run(_STAGES, image, brightness, thumbnail)

    def all_stages(image: Tensor, brightness: Tensor | None = None) -> dict[str, Tensor]:
        return run(_STAGES, encoded_photos.to_float(image), brightness)

    def image_bytes(image_bytes: Tensor, brightness: Tensor | None = None) -> dict[str, Tensor]:
        def enhance_encoded(inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
            asked = None if brightness is None else inputs[1][tf.newaxis]
            photo = encoded_photos.decoded(inputs[0], options.upright)
            results = run(["enhanced"], photo[tf.newaxis], asked)
            enhanced = _to_uint8(results.pop("enhanced"))[0]
            file = {"enhanced_bytes": encoded_photos.encoded(enhanced, options.jpeg_quality)}
            return {**file, **{name: value[0] for name, value in results.items()}}

        files = encoded_photos.checked(image_bytes, options.max_megapixels * 10**6)
        inputs = (files,) if brightness is None else (files, brightness)
        types = {"enhanced_bytes": tf.string}
        if brightness is not None:
            types["brightness"] = tf.float32
        # One after another: side by side they would need the memory of all at once.
        return tf.map_fn(enhance_encoded, inputs, fn_output_signature=types, parallel_iterations=1)

    functions = {
        "serving_default": ([_UINT8], serving_default),
        "image_bytes": ([_ENCODED], image_bytes),
        "float_whole": ([_FLOAT32], float_whole),
        "float_tiled": ([_FLOAT32, thumbnails], float_tiled),
        **({"stages": ([_UINT8], all_stages)} if options.stages else {}),
    }
    signatures = {}
    for key, (specs, function) in functions.items():
        signatures[key] = tf.function(function, input_signature=specs, autograph=False)
        if takes_brightness:
            specs = [*specs, _BRIGHTNESS]
            signatures[f"{key}{_SUFFIX}"] = tf.function(
                function, input_signature=specs, autograph=False
            )
    return signatures


def _to_uint8(image: Tensor) -> Tensor:
    return tf.cast(tf.round(255.0 * image), tf.uint8)


def _request(
    model: DRGN, photo: np.ndarray, specs: Sequence[tf.TensorSpec]
) -> dict[str, np.ndarray]:
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
