"""Verifies that an artefact gives the results of the network.

Each artefact runs in its own runtime, through the driver that the programs use too, on
low-light photos of even, odd, tiny and non-square sizes. NaN from a converter, an input read
ten times too dark, a truncated output: all of these have happened without an error message.
Here they are errors.

What takes a brightness is run with an automatic one, and a stop (EV) darker and brighter than
that; the brightness that it reports must be the network's too.

Bounds: float formats must agree in every value; formats that compute in fewer bits must
be close in PSNR and in brightness, on photos of the kind that they were calibrated with.
"""

from __future__ import annotations

import dataclasses
import io
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from drgn_tf.brightness import AUTOMATIC, expose
from drgn_tf.errors import UserError
from drgn_tf.exports import encoded_photos
from drgn_tf.inference import Driver, photo_thumbnail
from drgn_tf.inference.keras_driver import KerasDriver
from drgn_tf.tensors import Tensor

# Height and width in pixels of the crops of photos for artefacts of any size.
SIZES = ((256, 384), (151, 233), (1, 1), (3, 5), (40, 320), (17, 2))
# Stops from the brightness that a network proposes.
STOPS = (-1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Bound:
    """How far an artefact may be from the network.

    Attributes:
      max_error: largest absolute difference of a value in [0, 1], or None.
      psnr: lowest PSNR between the two results in dB, or None.
      shift: largest absolute mean of the differences of an image, or None. A level of 255 more
        everywhere is 48 dB, which no PSNR tells from the noise of few bits.
      brightness: largest absolute difference of the brightness aimed at. It is computed in
        float32, but for the formats of 16 bits.
    """

    max_error: float | None = None
    psnr: float | None = None
    shift: float | None = None
    brightness: float = 1e-4


# A sum of n products in another order differs by about sqrt(n) * 2^-24 of its terms, and
# differences of d layers add up like sqrt(d). n is at most 9 * 120 (the fusion of base), d about
# 20: 9e-6 of values around 1; features of the brightness, up to 60, add 60 * 2^-24 = 4e-6. Measured
# are 1e-6, 1.1e-5 on a black photo of one pixel; a percent in any one kernel makes 1.7e-5.
_FLOAT32 = 1.3e-5
# Weights of 11 bits are rounded by 2^-11 / sqrt(3) of themselves on average: by the same rule
# sqrt(20) * 2.8e-4 = 1.3e-3. Measured are 5e-4; a level is 3.9e-3.
_FLOAT16 = 2e-3
_HALF_LEVEL = 0.5 / 255

BOUNDS = {
    "float32": Bound(max_error=_FLOAT32),
    "float16": Bound(max_error=_FLOAT16, brightness=4e-3),
    "dynamic_range": Bound(psnr=40.0, shift=_HALF_LEVEL),
    "int8": Bound(psnr=34.0, shift=_HALF_LEVEL),
    "int16x8": Bound(psnr=45.0, shift=_HALF_LEVEL, brightness=4e-3),
    "integer": Bound(psnr=40.0, shift=_HALF_LEVEL),
    # Rounded to 8 bits, and divided by 255 again.
    "uint8": Bound(max_error=_HALF_LEVEL + _FLOAT32 + 2**-23),
}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far an artefact is from the network, over all photos.

    Attributes:
      photos: number of photos.
      sizes: (height, width) of the photos.
      max_error: largest absolute difference.
      mean_error: mean absolute difference, of the photo where it is largest.
      psnr: between the two results in dB, of the photo where it is lowest; at most 200.
      minimum: least value of any result.
      maximum: greatest value.
      brightness_error: largest absolute difference of the brightness aimed at; None where the
        artefact takes none.
    """

    photos: int
    sizes: tuple[tuple[int, int], ...]
    max_error: float
    mean_error: float
    psnr: float
    minimum: float
    maximum: float
    brightness_error: float | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """An image to run, and the thumbnail of the photo that it is part of."""

    name: str
    image: np.ndarray
    thumbnail: np.ndarray


def cases(photos: Sequence[np.ndarray], driver: Driver, thumbnail_size: int) -> list[Case]:
    """Crops images of the artefact's sizes from uint8 photos [H, W, 3].

    An artefact without a thumbnail input treats each crop as a whole photo.
    """
    found = []
    for i, photo in enumerate(photos):
        whole = photo_thumbnail(photo, thumbnail_size)
        for height, width in [driver.size] if driver.size else SIZES:
            rows, columns = -(-height // photo.shape[0]), -(-width // photo.shape[1])
            # A photo smaller than the crop is repeated.
            image = np.tile(photo, (rows, columns, 1))[:height, :width] / np.float32(255)
            thumbnail = whole if driver.thumbnail_size else photo_thumbnail(image, thumbnail_size)
            found.append(Case(f"photo {i + 1}, {width}x{height}", image, thumbnail))
    return found


def verify(
    artefact: Driver, reference: KerasDriver, photos: Sequence[np.ndarray], bound: Bound
) -> Agreement:
    """Compares an artefact with the network it was made from.

    Args:
      artefact: to be verified.
      reference: the network.
      photos: low-light photos, uint8 [H, W, 3].
      bound: the allowed difference.

    Raises:
      UserError: they are further apart, or the artefact's result is not finite, in [0, 1], float32
        and of the photo's shape, or a tile cannot be told the brightness that the network takes.
    """
    if reference.takes_brightness and artefact.thumbnail_size and not artefact.takes_brightness:
        raise UserError(f"{artefact.path.name}: lost the network's input for the brightness.")
    tried = cases(photos, artefact, reference.model.options.thumbnail_size)
    found = [
        _compared(artefact, reference, case, brightness, bound)
        for case in tried
        for brightness in _asked(artefact, reference, case)
    ]
    aimed = [one.brightness_error for one in found if one.brightness_error is not None]
    return Agreement(
        photos=len(tried),
        sizes=tuple(dict.fromkeys(case.image.shape[:2] for case in tried)),
        max_error=max(one.max_error for one in found),
        mean_error=max(one.mean_error for one in found),
        psnr=min(one.psnr for one in found),
        minimum=min(one.minimum for one in found),
        maximum=max(one.maximum for one in found),
        brightness_error=max(aimed, default=None),
    )


def _asked(artefact: Driver, reference: Driver, case: Case) -> list[float]:
    if not artefact.takes_brightness:
        return [AUTOMATIC]
    proposed = reference.predicted_brightness(case.thumbnail)
    return [AUTOMATIC, *(expose(proposed, stops) for stops in STOPS)]


def _compared(
    artefact: Driver, reference: Driver, case: Case, brightness: float, bound: Bound
) -> Agreement:
    image, thumbnail = case.image[np.newaxis], case.thumbnail
    asked = np.full((1, 1), brightness, np.float32)
    expected = reference.run(image, thumbnail, asked)
    results = artefact.run(image, thumbnail if artefact.thumbnail_size else None, asked)
    name = case.name if brightness == AUTOMATIC else f"{case.name}, brightness {brightness:.2f}"
    result, error = results["enhanced"], None
    check_image(artefact.path, name, result, expected["enhanced"], bound)
    if artefact.takes_brightness:
        error = check_brightness(
            artefact.path, name, results["brightness"], expected["brightness"], bound
        )
    differences = np.abs(result - expected["enhanced"])
    return Agreement(
        photos=1,
        sizes=(image.shape[1:3],),
        max_error=float(differences.max()),
        mean_error=float(differences.mean()),
        psnr=psnr_between(result, expected["enhanced"]),
        minimum=float(result.min()),
        maximum=float(result.max()),
        brightness_error=error,
    )


def check_image(
    path: pathlib.Path, case: str, result: np.ndarray, expected: np.ndarray, bound: Bound
) -> None:
    """Raises UserError unless a result is sane and close enough."""
    where = f"{path.name} on {case}"
    if result.shape != expected.shape or result.dtype != np.float32:
        raise UserError(
            f"{where}: gives {result.dtype} {list(result.shape)} instead of float32 "
            f"{list(expected.shape)}."
        )
    if not np.isfinite(result).all():
        raise UserError(f"{where}: gives NaN or infinity.")
    if result.min() < -1e-6 or result.max() > 1 + 1e-6:
        raise UserError(
            f"{where}: gives values from {result.min():.4f} to {result.max():.4f}, not in [0, 1]."
        )
    error = float(np.abs(result - expected).max())
    if bound.max_error is not None and error > bound.max_error:
        raise UserError(
            f"{where}: differs from the network by {error:.2e}; {bound.max_error:.0e} is allowed."
        )
    psnr = psnr_between(result, expected)
    if bound.psnr is not None and psnr < bound.psnr:
        raise UserError(
            f"{where}: is {psnr:.1f} dB from the network; at least {bound.psnr:.0f} dB are "
            "asked for."
        )
    shift = float((result.astype(np.float64) - expected).mean())
    if bound.shift is not None and abs(shift) > bound.shift:
        raise UserError(
            f"{where}: is {255 * shift:+.2f} levels of 255 brighter than the network; "
            f"{255 * bound.shift:.1f} are allowed."
        )


def check_brightness(
    path: pathlib.Path, case: str, result: np.ndarray, expected: np.ndarray, bound: Bound
) -> float:
    """Returns how far the brightness aimed at is off; raises UserError if that is too far."""
    error = float(np.abs(np.reshape(result, expected.shape) - expected).max())
    # Not `error > bound`: NaN must not pass.
    if not error <= bound.brightness:
        raise UserError(
            f"{path.name} on {case}: aims at a brightness of {float(np.ravel(result)[0]):.4f}, the "
            f"network at {float(np.ravel(expected)[0]):.4f}."
        )
    return error


def psnr_between(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the PSNR of two float images in dB, at most 200."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return 200.0 if error < 1e-20 else -10 * math.log10(error)


def verify_serving(
    path: pathlib.Path,
    reference: KerasDriver,
    photos: Sequence[np.ndarray],
    jpeg_quality: int | None = None,
) -> None:
    """Verifies the signatures of a SavedModel that clients of a server call.

    Args:
      path: the SavedModel.
      reference: the network.
      photos: low-light photos, uint8 [H, W, 3], of at least two sizes or cropped to two.
      jpeg_quality: of the photo files that it answers with, None for PNG.

    Raises:
      UserError: a signature gives another image, or aims at another brightness, than the network.
    """
    signatures = tf.saved_model.load(str(path)).signatures
    cut = [photo[: 90 + 7 * i, : 120 - 9 * i] for i, photo in enumerate(photos)]
    _verify_signatures(path, signatures, reference, cut, None, jpeg_quality)
    if reference.takes_brightness:
        size = reference.model.options.thumbnail_size
        proposed = [reference.predicted_brightness(photo_thumbnail(image, size)) for image in cut]
        # A stop darker, a stop brighter and automatic, in turn.
        asked = [
            expose(brightness, STOPS[i % 3]) if i % 3 < len(STOPS) else AUTOMATIC
            for i, brightness in enumerate(proposed)
        ]
        column = np.array(asked, np.float32)[:, np.newaxis]
        _verify_signatures(path, signatures, reference, cut, column, jpeg_quality)


def _verify_signatures(
    path: pathlib.Path,
    signatures: Mapping[str, Callable[..., dict[str, Tensor]]],
    reference: Driver,
    photos: Sequence[np.ndarray],
    asked: np.ndarray | None,
    jpeg_quality: int | None,
) -> None:
    """Compares automatic results, or with `asked` [B, 1] those of signatures that take it."""
    suffix = "" if asked is None else "_with_brightness"

    def call(key: str, number: slice, **inputs: Any) -> dict[str, np.ndarray]:
        if asked is not None:
            inputs["brightness"] = asked[number]
        inputs = {name: tf.constant(value) for name, value in inputs.items()}
        results = signatures[f"{key}{suffix}"](**inputs)
        return {name: value.numpy() for name, value in results.items()}

    def check(key: str, i: int, results: dict[str, np.ndarray], bound: Bound) -> None:
        case = f"{key}{suffix}, photo {i + 1}"
        check_image(path, case, results["enhanced"], expected["enhanced"], bound)
        if asked is not None:
            check_brightness(path, case, results["brightness"], expected["brightness"], bound)

    encoded = call("image_bytes", slice(None), image_bytes=[_png(photo) for photo in photos])
    for i, photo in enumerate(photos):
        image, one = photo[np.newaxis], slice(i, i + 1)
        floats = image / np.float32(255)
        expected = reference.run(floats, None, None if asked is None else asked[one])
        results = call("float_whole", one, image=floats)
        check("float_whole", i, results, BOUNDS["float32"])
        results = call("serving_default", one, image=image)
        if results["enhanced"].dtype != np.uint8:
            raise UserError(
                f"{path.name}: serving_default{suffix} gives {results['enhanced'].dtype}."
            )
        results["enhanced"] = results["enhanced"] / np.float32(255)
        check("serving_default", i, results, BOUNDS["uint8"])
        results = {name: values[one] for name, values in encoded.items()}
        results["enhanced"] = _opened(results.pop("enhanced_bytes")[0])
        if jpeg_quality is None:
            check("image_bytes", i, results, BOUNDS["uint8"])
        else:
            # A level of difference may round coefficients to the other side.
            levels = np.round(255 * expected["enhanced"][0]).astype(np.uint8)
            file = encoded_photos.encoded(tf.constant(levels), jpeg_quality)
            expected = {**expected, "enhanced": _opened(file.numpy())}
            check("image_bytes", i, results, Bound(psnr=40.0))


def _opened(file: bytes) -> np.ndarray:
    image = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    return image[np.newaxis] / np.float32(255)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
