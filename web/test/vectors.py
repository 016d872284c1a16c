"""Writes what the tests of the page compare with: small inputs, and Python's results of them.

python web/test/vectors.py --model=drgn_tf/weights/mobile.keras
"""

from __future__ import annotations

import argparse
import base64
import functools
import io
import json
import pathlib
import shutil
import sys

import numpy as np
from PIL import Image, ImageCms

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from drgn_tf.brightness import expose
from drgn_tf.data.sample import held_out_photos
from drgn_tf.images import photo_files
from drgn_tf.images.photos import turned
from drgn_tf.inference import Enhancer, load_driver, photo_thumbnail
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.enhancer import to_dtype
from drgn_tf.inference.loading import load_keras
from drgn_tf.inference.tiling import run_tiled, spans

FOLDER = pathlib.Path(__file__).parent / "vectors"
NETWORK = pathlib.Path(__file__).parents[1] / "public" / "network" / "network.tflite"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>kept</x:xmpmeta>"
_RNG = np.random.default_rng(0)


class Ramp(Driver):
    """Stands in for a network: its result depends on where in its tile a pixel lies."""

    kind, path, size = "keras", pathlib.Path("ramp"), (64, 64)
    thumbnail_size, takes_brightness, outputs = 8, False, ("enhanced",)

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Adds a ramp over the tile."""
        ramp = np.arange(64, dtype=np.float32) / 64
        across, down = ramp[np.newaxis, :, np.newaxis], ramp[:, np.newaxis, np.newaxis]
        return {"enhanced": np.clip(images + 0.5 * across - 0.25 * down, 0.0, 1.0)}


def coded(pixels: np.ndarray) -> dict[str, object]:
    """RGB as RGBA, for JSON."""
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    data = base64.b64encode(np.concatenate([pixels, opaque], axis=2).tobytes()).decode()
    return {"width": pixels.shape[1], "height": pixels.shape[0], "data": data}


def noise(height: int, width: int) -> np.ndarray:
    return _RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_units() -> None:
    """Tiling, thumbnails, orientation and brightness, as JSON."""
    tiled = noise(150, 133)
    expected = run_tiled(Ramp(), tiled, photo_thumbnail(tiled, 8), {"enhanced": to_dtype("uint8")})
    thumbnails = [noise(height, width) for height, width in ((1, 1), (5, 300), (130, 97))]
    units = {
        "spans": [
            {
                "arguments": arguments,
                "spans": [
                    {"start": span.start, "stop": span.stop, "weights": span.weights.tolist()}
                    for span in spans(*arguments)
                ],
            }
            for arguments in (
                (200, 256, 32, 16),
                (257, 256, 32, 16),
                (701, 256, 32, 16),
                (150, 64, 8, 8),
                (133, 64, 8, 8),
                (90, 64, 0, 0),
            )
        ],
        "thumbnails": [
            {
                "photo": coded(photo),
                "size": 32,
                "values": photo_thumbnail(photo, 32)[0].ravel().tolist(),
            }
            for photo in thumbnails
        ],
        "tiled": {"photo": coded(tiled), "tile": 64, "result": coded(expected["enhanced"])},
        "turned": [coded(turned(thumbnails[1], orientation)) for orientation in range(1, 9)],
        "expose": [[0.3, stops, expose(0.3, stops)] for stops in (-20, -2, -0.1, 0, 0.7, 2, 9)],
    }
    (FOLDER / "units.json").write_text(json.dumps(units))


@functools.cache
def red_for_green() -> bytes:
    """A colour profile that swaps two colours, which shows wherever it is applied."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"~~~~").replace(b"gXYZ", b"rXYZ").replace(b"~~~~", b"gXYZ")


def exif(orientation: int) -> bytes:
    """EXIF data with a preview, as cameras write."""
    data = Image.Exif()
    data[0x010F], data[0x0112] = "a camera", orientation
    data.get_ifd(0x8769)[0x9003] = "2024:01:02 03:04:05"
    preview = io.BytesIO()
    Image.new("RGB", (16, 16)).save(preview, "JPEG")
    # Pillow writes no previews: the second folder is appended by hand.
    tiff = bytearray(data.tobytes().removeprefix(b"Exif\0\0"))
    order = "little" if tiff[:2] == b"II" else "big"
    start = int.from_bytes(tiff[4:8], order)
    link = start + 2 + 12 * int.from_bytes(tiff[start : start + 2], order)
    tiff[link : link + 4] = len(tiff).to_bytes(4, order)
    entries = [(0x0201, 4, 1, len(tiff) + 30), (0x0202, 4, 1, len(preview.getvalue()))]
    tiff += (2).to_bytes(2, order)
    for tag, kind, count, value in entries:
        tiff += tag.to_bytes(2, order) + kind.to_bytes(2, order)
        tiff += count.to_bytes(4, order) + value.to_bytes(4, order)
    tiff += bytes(4) + preview.getvalue()
    return b"Exif\0\0" + bytes(tiff)


def write_photos(model: str) -> None:
    """Photos, good and bad, and Python's results."""
    original = np.asarray(Image.open(held_out_photos()[0]).convert("RGB"))
    dark = np.round(255 * (original / 255.0) ** 1.5 * 0.25).astype(np.uint8)
    image = Image.fromarray(dark)
    image.save(FOLDER / "dark.png")
    everything = {"exif": exif(6), "icc_profile": red_for_green(), "xmp": XMP}
    # Full colour resolution, where decoders have nothing to interpolate.
    image.save(FOLDER / "turned.jpg", quality=95, subsampling=0, **everything)
    image.save(FOLDER / "halved.jpg", quality=90)
    image.save(FOLDER / "turned.webp", quality=95, **everything)
    image.save(FOLDER / "profile.png", icc_profile=red_for_green())
    image.convert("L").save(FOLDER / "grey.jpg", quality=95)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 100, 100))
    image.putalpha(alpha)
    image.save(FOLDER / "transparent.png")
    Image.fromarray(np.tile(dark, (4, 4, 1))).save(FOLDER / "large.jpg", quality=90)
    jpeg, png = (FOLDER / "halved.jpg").read_bytes(), (FOLDER / "dark.png").read_bytes()
    bad = {
        "empty.jpg": b"",
        "text.jpg": b"no photo, but words that somebody called one",
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": png[: len(png) // 2],
        "damaged.png": png[:5000] + b"?" + png[5001:],
        "phone.heic": (24).to_bytes(4, "big") + b"ftypheic" + bytes(4) + b"heicmif1" + bytes(99),
        "print.jpg": saved(Image.new("CMYK", (32, 32)), "JPEG"),
        "raw.dng": b"II*\0" + bytes(99),
    }
    for name, content in bad.items():
        (FOLDER / name).write_bytes(content)
    enhancer = Enhancer(load_keras(model))
    for name in ("dark.png", "turned.jpg", "halved.jpg", "grey.jpg"):
        photo = photo_files.read(FOLDER / name)
        target = FOLDER / f"{pathlib.Path(name).stem}_expected.png"
        photo_files.write(target, enhancer(photo.pixels), photo, quality=95)
    if enhancer.driver.takes_brightness:
        photo = photo_files.read(FOLDER / "dark.png")
        result = enhancer(photo.pixels, exposure=1.0)
        photo_files.write(FOLDER / "dark_brighter_expected.png", result, photo, quality=95)
    if load_driver(NETWORK).takes_brightness != enhancer.driver.takes_brightness:
        sys.exit(f"error: {NETWORK}: is of another network; export it again.")
    facts = {"takesBrightness": enhancer.driver.takes_brightness}
    (FOLDER / "facts.json").write_text(json.dumps(facts))


def saved(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile", help="a name, or a .keras file")
    model = parser.parse_args().model
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    write_units()
    write_photos(model)


if __name__ == "__main__":
    main()
