"""What a photo of any size costs: time per megapixel, and memory.

  python -m benchmarks.photo_sizes --model=mobile
  python -m benchmarks.photo_sizes --model=base --megapixels=0.25,1,4,12

Each size runs in a process of its own, as one photo does for a user: a JPEG is read,
enhanced and written. Time is without start-up, after a small photo as warm-up; memory is
the most that the process ever had in use, all of it: interpreter, TensorFlow, photo and
result.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags

_MODEL = flags.DEFINE_string("model", "mobile", "As of enhance_main.py.")
_MEGAPIXELS = flags.DEFINE_list("megapixels", ["0.25", "1", "4", "12", "48"], "Sizes to try.")
_PHOTO = flags.DEFINE_string("photo", "", "Used inside: one size in this process.")
_ROOT = pathlib.Path(__file__).parents[1]


def _make_photo(megapixels: float, path: pathlib.Path) -> tuple[int, int]:
    """Writes a dark 4:3 photo, a free one repeated; returns (width, height)."""
    import numpy as np
    from PIL import Image

    from drgn_tf.data import sample
    from drgn_tf.data.photos import read_photo

    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(width * 3 / 4)
    photo = read_photo(sample.training_photos()[1])
    dark = np.round(255 * 0.6 * (photo / 255.0) ** 2.5).astype(np.uint8)
    repeats = (-(-height // dark.shape[0]), -(-width // dark.shape[1]), 1)
    Image.fromarray(np.tile(dark, repeats)[:height, :width]).save(path, quality=95)
    return width, height


def _run_one(photo: pathlib.Path) -> None:
    from drgn_tf.inference import Enhancer, load_driver
    from drgn_tf.inference.batch import Job, enhance_photo

    enhancer = Enhancer(load_driver(_MODEL.value))
    small = photo.with_name("warm-up.jpg")
    _make_photo(0.1, small)
    enhance_photo(enhancer, Job(small, small.with_name("warm-up.out.jpg")))
    started = time.perf_counter()
    enhance_photo(enhancer, Job(photo, photo.with_name("out.jpg")))
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({"seconds": seconds, "gigabytes": memory / 1e9}))


def _measure(megapixels: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        photo = pathlib.Path(folder, "photo.jpg")
        width, height = _make_photo(megapixels, photo)
        command = [sys.executable, "-m", "benchmarks.photo_sizes", f"--model={_MODEL.value}"]
        output = subprocess.run(
            [*command, f"--photo={photo}"], cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    figures = json.loads(output.splitlines()[-1])
    return {
        "megapixels": megapixels,
        "size": f"{width}x{height}",
        "seconds_per_megapixel": figures["seconds"] / megapixels,
        **figures,
    }


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    if _PHOTO.value:
        _run_one(pathlib.Path(_PHOTO.value))
        return
    print(
        f"| {_MODEL.value}, MP | size | s | s per MP | peak GB |\n| --- | --- | --- | --- | --- |"
    )
    rows = []
    for megapixels in map(float, _MEGAPIXELS.value):
        row = _measure(megapixels)
        rows.append(row)
        print(
            f"| {megapixels:g} | {row['size']} | {row['seconds']:.2f} | "
            f"{row['seconds_per_megapixel']:.2f} | {row['gigabytes']:.2f} |",
            flush=True,
        )
    print(json.dumps({"model": _MODEL.value, "rows": rows}))


if __name__ == "__main__":
    app.run(main)
