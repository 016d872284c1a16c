"""Prints what a photo's file holds as JSON, and how far its pixels are from another's.

python web/test/inspect_photo.py saved.png expected.png
"""

from __future__ import annotations

import base64
import json
import pathlib
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from drgn_tf.images import photo_files


def main() -> None:
    path, *others = map(pathlib.Path, sys.argv[1:])
    photo = photo_files.read(path)
    with Image.open(path) as image:
        exif = image.getexif()
        facts = {
            "format": image.format,
            "width": image.width,
            "height": image.height,
            "grey": photo.grey or bool((photo.pixels == photo.pixels[:, :, :1]).all()),
            "transparent": photo.alpha is not None and int(photo.alpha.min()) == 0,
            "orientation": photo.orientation,
            "camera": exif.get(0x010F),
            "taken": exif.get_ifd(0x8769).get(0x9003),
            "preview": bool(exif.get_ifd(1)),
            "icc": base64.b64encode(photo.metadata.get("icc_profile", b"")).decode(),
            "xmp": photo.metadata.get("xmp", b"").decode(),
        }
    for other in others:
        expected = photo_files.read(other).pixels.astype(int)
        difference = np.abs(photo.pixels.astype(int) - expected)
        facts |= {"largest": int(difference.max()), "mean": float(difference.mean())}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
