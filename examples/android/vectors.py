"""Writes what the tests of `core` compare with: small inputs, and Python's results of them.

python examples/android/vectors.py --model=drgn_tf/weights/mobile.keras
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from drgn_tf.brightness import expose
from drgn_tf.cli import program
from drgn_tf.data.sample import held_out_photos
from drgn_tf.errors import UserError
from drgn_tf.exports import golden
from drgn_tf.images.photos import turned
from drgn_tf.inference import Enhancer, load_driver, photo_thumbnail
from drgn_tf.inference.driver import Driver
from drgn_tf.inference.enhancer import to_dtype
from drgn_tf.inference.loading import load_keras
from drgn_tf.inference.tiling import run_tiled, spans
from web.test.vectors import XMP, Ramp, exif, noise, red_for_green, saved

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "core" / "src" / "test" / "vectors"
NETWORK = HERE / "app" / "src" / "main" / "assets" / "network.tflite"
SPANS = (
    (200, 256, 32, 16),
    (257, 256, 32, 16),
    (701, 256, 32, 16),
    (150, 64, 8, 8),
    (90, 64, 0, 0),
)
# Height and width of photos.
THUMBNAILS = ((1, 1), (5, 300), (130, 97))
STOPS = (-20, -2, -0.1, 0, 0.7, 2, 9)


class Recorder(Driver):
    """Remembers what a network was given, and what it gave."""

    def __init__(self, driver: Driver):
        self.driver = driver
        self.kind, self.path, self.size = driver.kind, driver.path, driver.size
        self.thumbnail_size, self.outputs = driver.thumbnail_size, driver.outputs
        self.takes_brightness = driver.takes_brightness
        self.images: list[np.ndarray] = []
        self.brightness: list[float] = []
        self.enhanced: list[np.ndarray] = []

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`; of one tile."""
        results = self.driver.run(images, thumbnails, brightness)
        self.images.append(images[0])
        self.brightness.append(0.0 if brightness is None else float(brightness[0, 0]))
        self.enhanced.append(results["enhanced"][0])
        return results


def write(name: str, values: np.ndarray) -> None:
    np.save(FOLDER / f"{name}.npy", values)


def write_units() -> None:
    """Tiling, thumbnails, orientation and brightness."""
    for i, arguments in enumerate(SPANS):
        found = spans(*arguments)
        write(f"spans{i}_arguments", np.int32(arguments))
        write(f"spans{i}_extents", np.int32([(span.start, span.stop) for span in found]))
        write(f"spans{i}_weights", np.concatenate([span.weights for span in found]))
    for i, size in enumerate(THUMBNAILS):
        photo = noise(*size)
        write(f"thumbnail{i}_photo", photo)
        write(f"thumbnail{i}_values", photo_thumbnail(photo, 32)[0])
    tiled = noise(150, 133)
    expected = run_tiled(Ramp(), tiled, photo_thumbnail(tiled, 8), {"enhanced": to_dtype("uint8")})
    write("tiled_photo", tiled)
    write("tiled_result", expected["enhanced"])
    photo = noise(5, 7)
    for orientation in range(1, 9):
        write(f"turned{orientation}", turned(photo, orientation))
    write("expose", np.float64([(0.3, stops, expose(0.3, stops)) for stops in STOPS]))


def write_photo(model: str) -> None:
    """A dark photo, its result by `drgn-enhance`, and what the app's network does to its tiles."""
    original = np.asarray(Image.open(held_out_photos()[0]).convert("RGB"))[:290, :330]
    dark = np.round(255 * (original / 255.0) ** 1.5 * 0.25).astype(np.uint8)
    write("photo", dark)
    enhancer = Enhancer(load_keras(model))
    driver = load_driver(NETWORK)
    if driver.takes_brightness != enhancer.driver.takes_brightness:
        raise UserError(f"{NETWORK}: is of another network; make android-assets first.")
    thumbnail = photo_thumbnail(dark, driver.thumbnail_size or 32)
    write("photo_thumbnail", thumbnail[0])
    stops = (0.0, 1.0) if driver.takes_brightness else (0.0,)
    write("photo_stops", np.float64(stops))
    write("photo_takes_brightness", np.int32([driver.takes_brightness]))
    for i, exposure in enumerate(stops):
        recorder = Recorder(driver)
        predicted = driver.predicted_brightness(thumbnail) if exposure else 0.0
        brightness = expose(predicted, exposure) if exposure else None
        tiles = Enhancer(recorder)(dark, brightness=brightness)
        write(f"photo{i}_predicted", np.float32([predicted]))
        write(f"photo{i}_brightness", np.float32(recorder.brightness))
        write(f"photo{i}_images", np.stack(recorder.images))
        write(f"photo{i}_enhanced", np.stack(recorder.enhanced))
        write(f"photo{i}_tiles", tiles)
        write(f"photo{i}_result", enhancer(dark, exposure=exposure))


def write_golden_record(model: str) -> None:
    """The known results of an export, and what the network gives where golden/check.kt asks it."""
    driver, folder = load_driver(NETWORK), FOLDER / "exported"
    folder.mkdir()
    files = [(pathlib.PurePosixPath("tflite", NETWORK.name), "float32", driver)]
    photo = np.load(FOLDER / "photo.npy")
    golden.write_golden(folder / golden.FOLDER, load_keras(model), files, photo, driver.size)
    known = folder / golden.FOLDER
    facts = json.loads((known / "golden.json").read_text(encoding="utf-8"))
    image = photo[np.newaxis, : facts["height"], : facts["width"]] / np.float32(255)
    side = facts["thumbnail_size"]
    thumbnail = np.fromfile(known / "thumbnail.bin", "<f4").reshape(1, side, side, 3)
    for case, value in facts["brightness"].items():
        record = folder / f"records of {NETWORK.name}" / case
        record.mkdir(parents=True)
        brightness = np.full((1, 1), value, np.float32)
        enhanced = driver.run(image, thumbnail, brightness)["enhanced"]
        if not driver.takes_brightness:
            brightness = brightness[:0]
        given = {"image": image, "thumbnail": thumbnail, "brightness": brightness}
        for name, values in {**given, "enhanced": enhanced}.items():
            (record / f"{name}.bin").write_bytes(values.astype("<f4").tobytes())


def write_files() -> None:
    """JPEG files, good and bad."""
    image = Image.fromarray(np.load(FOLDER / "photo.npy"))
    everything = {"exif": exif(6), "icc_profile": red_for_green(), "xmp": XMP, "comment": b"words"}
    image.save(FOLDER / "turned.jpg", quality=95, subsampling=0, **everything)
    image.save(FOLDER / "plain.jpg", quality=90)
    image.convert("L").save(FOLDER / "grey.jpg", quality=95)
    write("turned_pixels", np.asarray(Image.open(FOLDER / "turned.jpg")))
    jpeg = (FOLDER / "plain.jpg").read_bytes()
    # A profile in two parts, the second first.
    parts = ((b"\2\2", red_for_green()[99:]), (b"\1\2", red_for_green()[:99]))
    contents = [b"ICC_PROFILE\0" + number + part for number, part in parts]
    segments = [b"\xff\xe2" + (len(content) + 2).to_bytes(2) + content for content in contents]
    (FOLDER / "swapped.jpg").write_bytes(jpeg[:2] + b"".join(segments) + jpeg[2:])
    bad = {
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "header.jpg": jpeg[:200],
        "print.jpg": saved(Image.new("CMYK", (32, 32)), "JPEG"),
    }
    for name, content in bad.items():
        (FOLDER / name).write_bytes(content)
    (FOLDER / "exif.bin").write_bytes(exif(6).removeprefix(b"Exif\0\0"))
    (FOLDER / "profile.icc").write_bytes(red_for_green())
    (FOLDER / "packet.xmp").write_bytes(XMP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile", help="a name, or a .keras file")
    model = parser.parse_args().model
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    write_units()
    write_photo(model)
    write_golden_record(model)
    write_files()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(program.error_line(str(error)))
