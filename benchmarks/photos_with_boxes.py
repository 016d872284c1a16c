"""Photos with boxes, for `benchmarks.detection`: darkened, of YOLO's labels, and fewer of them."""

from __future__ import annotations

import pathlib

import numpy as np
from PIL import Image

from drgn_tf.data import PhotometricOptions
from drgn_tf.data.annotations import Annotations
from drgn_tf.data.low_light_simulation import linear_to_srgb, srgb_to_linear
from drgn_tf.errors import UserError
from drgn_tf.files import read_text
from drgn_tf.images.photos import list_photos


def darkened(photo: np.ndarray, gamma: tuple[float, float], seed: list[int]) -> np.ndarray:
    """Returns a photo, uint8 [H, W, 3], in low light.

    Args:
      photo: uint8 [H, W, 3].
      gamma: range of the exponent of its sRGB values.
      seed: of exponent and noise.
    """
    generator = np.random.default_rng(seed)
    options = PhotometricOptions()
    values = (photo / 255.0) ** generator.uniform(*gamma)
    light = np.asarray(srgb_to_linear(values))
    photons = np.exp(generator.uniform(*np.log(options.photons)))
    read_noise = generator.uniform(*options.read_noise)
    spread = np.sqrt(light / photons + read_noise**2)
    light = np.clip(light + spread * generator.standard_normal(light.shape), 0, 1)
    return np.round(255 * np.asarray(linear_to_srgb(light))).astype(np.uint8)


def yolo_boxes(labels: pathlib.Path, photos: pathlib.Path, names: list[str]) -> dict:
    """Returns COCO's form of YOLO's text files; photos without one have no boxes."""
    images, annotations = [], []
    for number, (stem, path) in enumerate(sorted(list_photos(photos).items()), start=1):
        images.append({"id": number, "file_name": path.name})
        file = labels / f"{stem}.txt"
        if not file.is_file():
            continue
        with Image.open(path) as photo:
            width, height = photo.size
        for line in read_text(file).splitlines():
            try:
                kind, x, y, wide, high = map(float, line.split())
                category = range(len(names))[int(kind)]
            except (ValueError, IndexError) as error:
                raise UserError(f"{file}: '{line}' is no box of YOLO.") from error
            box = [(x - wide / 2) * width, (y - high / 2) * height, wide * width, high * height]
            annotations.append({"image_id": number, "category_id": category, "bbox": box})
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    return {"images": images, "annotations": annotations, "categories": categories}


def thinned(annotations: Annotations, every: int) -> Annotations:
    """Returns one of so many photos with its boxes, in order of names."""
    truth = annotations.ground_truth
    images = sorted(truth["images"], key=lambda image: image["file_name"])[::every]
    kept = {image["id"] for image in images}
    boxes = [box for box in truth["annotations"] if box["image_id"] in kept]
    return Annotations(
        {number: annotations.paths[number] for number in kept},
        {**truth, "images": images, "annotations": boxes},
    )
