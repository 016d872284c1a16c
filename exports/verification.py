"""Verifies that an artefact gives the results of the network.

Each artefact runs in its own runtime, through the driver that the programs use too, on
low-light photos of even, odd, tiny and non-square sizes. NaN from a converter, an input read
ten times too dark, a truncated output: all of these have happened without an error message.
Here they are errors.

Bounds: float formats must agree in every value; formats with fewer bits must be close in
PSNR, on photos like those of their calibration.
"""

from __future__ import annotations

import dataclasses
import io
import math
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from drgn_tf.errors import UserError
from drgn_tf.inference import Driver, photo_thumbnail

# Height and width in pixels of the crops of photos for artefacts of any size.
SIZES = ((256, 384), (151, 233), (1, 1), (3, 5), (40, 320), (17, 2))


class NotEqualError(UserError):
    """An artefact differs from the network. The message says where and by how much."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """How far an artefact may be from the network.

    Attributes:
      max_error: largest allowed absolute difference of a value in [0, 1], or None.
      psnr: lowest allowed PSNR between the two results in dB, or None.
    """

    max_error: float | None = None
    psnr: float | None = None


BOUNDS = {
    "float32": Bound(max_error=1e-4),
    "float16": Bound(max_error=4e-3),
    "dynamic_range": Bound(psnr=40.0),
    "int8": Bound(psnr=34.0),
    "int16x8": Bound(psnr=45.0),
    # 8-bit results may be rounded to either side.
    "uint8": Bound(max_error=1.001 / 255),
}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far an artefact is from the network, over all photos.

    Attributes:
      photos: number of photos.
      sizes: (height, width) of the photos.
      max_error: largest absolute difference.
      mean_error: mean absolute difference of the worst photo.
      psnr: between the two results of the worst photo in dB; at most 200.
      minimum: smallest value of any result.
      maximum: largest value of any result.
    """

    photos: int
    sizes: tuple[tuple[int, int], ...]
    max_error: float
    mean_error: float
    psnr: float
    minimum: float
    maximum: float


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
    artefact: Driver, reference: Driver, photos: Sequence[np.ndarray], bound: Bound
) -> Agreement:
    """Compares an artefact with the network it was made from.

    Args:
      artefact: to be verified.
      reference: the network; its `thumbnail_size` is not None.
      photos: low-light photos, uint8 [H, W, 3].
      bound: the allowed difference.

    Raises:
      NotEqualError: the difference is larger, or the artefact's result is not finite, in [0, 1],
        float32 and of the photo's shape.
    """
    results = []
    tried = cases(photos, artefact, reference.thumbnail_size)
    for case in tried:
        images, thumbnails = case.image[np.newaxis], case.thumbnail
        expected = reference.run(images, thumbnails)["enhanced"]
        result = artefact.run(images, thumbnails if artefact.thumbnail_size else None)["enhanced"]
        check_image(artefact.path, case.name, result, expected, bound)
        results.append((result, expected))
    return summarise(tried, results)


def check_image(
    path: pathlib.Path, case: str, result: np.ndarray, expected: np.ndarray, bound: Bound
) -> None:
    """Raises NotEqualError unless a result is valid and close enough."""
    where = f"{path.name} on {case}"
    if result.shape != expected.shape or result.dtype != np.float32:
        raise NotEqualError(
            f"{where}: gives {result.dtype} {list(result.shape)} instead of float32 "
            f"{list(expected.shape)}."
        )
    if not np.isfinite(result).all():
        raise NotEqualError(f"{where}: gives NaN or infinity.")
    if result.min() < -1e-6 or result.max() > 1 + 1e-6:
        raise NotEqualError(
            f"{where}: gives values from {result.min():.4f} to {result.max():.4f}, not in [0, 1]."
        )
    error = float(np.abs(result - expected).max())
    if bound.max_error is not None and error > bound.max_error:
        raise NotEqualError(
            f"{where}: differs from the network by {error:.2e}; {bound.max_error:.0e} is allowed."
        )
    psnr = psnr_between(result, expected)
    if bound.psnr is not None and psnr < bound.psnr:
        raise NotEqualError(
            f"{where}: is {psnr:.1f} dB from the network; at least {bound.psnr:.0f} dB are "
            "asked for."
        )


def summarise(tried: Sequence[Case], results: Sequence[tuple]) -> Agreement:
    """Returns the agreement over all (result, expected)."""
    errors = [np.abs(result - expected) for result, expected in results]
    return Agreement(
        photos=len(results),
        sizes=tuple(dict.fromkeys(case.image.shape[:2] for case in tried)),
        max_error=float(max(error.max() for error in errors)),
        mean_error=float(max(error.mean() for error in errors)),
        psnr=min(psnr_between(*pair) for pair in results),
        minimum=float(min(result.min() for result, _ in results)),
        maximum=float(max(result.max() for result, _ in results)),
    )


def psnr_between(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the PSNR of two float images in dB, at most 200."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return 200.0 if error < 1e-20 else -10 * math.log10(error)


def verify_serving(path: pathlib.Path, reference: Driver, photos: Sequence[np.ndarray]) -> None:
    """Verifies the signatures of a SavedModel that clients of a server call.

    Args:
      path: the SavedModel.
      reference: the network.
      photos: low-light photos, uint8 [H, W, 3], of at least two sizes or cropped to two.

    Raises:
      NotEqualError: a signature's result differs from the network's.
    """
    signatures = tf.saved_model.load(str(path)).signatures
    bound = BOUNDS["uint8"]
    cut = [photo[: 90 + 7 * i, : 120 - 9 * i] for i, photo in enumerate(photos)]
    expected = [reference.run(image[np.newaxis] / np.float32(255))["enhanced"] for image in cut]
    for i, image in enumerate(cut):
        result = signatures["serving_default"](image=tf.constant(image[np.newaxis]))["enhanced"]
        if result.dtype != tf.uint8:
            raise NotEqualError(f"{path.name}: serving_default gives {result.dtype.name}.")
        case = f"serving_default, photo {i + 1}"
        check_image(path, case, result.numpy() / np.float32(255), expected[i], bound)
    encoded = signatures["image_bytes"](image_bytes=tf.constant([_png(image) for image in cut]))
    for i, data in enumerate(encoded["enhanced_bytes"].numpy()):
        result = np.asarray(Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB"))[
            np.newaxis
        ]
        case = f"image_bytes, photo {i + 1}"
        check_image(path, case, result / np.float32(255), expected[i], bound)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
