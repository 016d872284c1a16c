"""Enhances photos on a model server, and writes the results into a folder.

    python examples/serving/client.py --output_dir=out photo.jpg other.png
    python examples/serving/client.py --server=http://localhost:8501 --exposure=0.5 photo.jpg

Files travel as they are, and the server decodes them: what it answers is a PNG file, or JPEG if the
model was exported so, without metadata. Photos of more than --whole_megapixels, or all with
--tiles, are decoded here and sent in tiles; the result then keeps format, metadata and depth.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path
from drgn_tf.images import opening, photo_files
from drgn_tf.inference import Enhancer
from drgn_tf.serving import Client, ServerDriver

# Of JPEG files made of tiles.
_QUALITY = 95


def main() -> None:
    """Enhances the photos of the command line; raises UserError at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=pathlib.Path)
    parser.add_argument("--output_dir", required=True, type=pathlib.Path)
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")
    parser.add_argument("--server", default="grpc://localhost:8500", help="or http://host:8501")
    parser.add_argument("--model", default="drgn", help="its name on the server")
    parser.add_argument("--exposure", default=0.0, type=float, help="stops brighter than automatic")
    parser.add_argument("--brightness", type=float, help="mean luma of the result, 0.02 to 0.95")
    parser.add_argument("--tiles", action="store_true", help="send pixels in tiles, not files")
    parser.add_argument("--whole_megapixels", default=16.0, type=float, help="largest file sent")
    parser.add_argument("--timeout", default=60.0, type=float, help="seconds for each request")
    flags = parser.parse_args()
    flags.output_dir.mkdir(parents=True, exist_ok=True)
    with Client(flags.server, flags.model, timeout=flags.timeout) as client:
        for photo in flags.photos:
            with opening.opened(photo) as opened:
                width, height = opened.image.size
            try:
                if flags.tiles or width * height > flags.whole_megapixels * 1e6:
                    _in_tiles(client, photo, flags)
                else:
                    _whole(client, photo, flags)
            except UserError as error:
                raise UserError(f"{photo}: {error}") from error


def _whole(client: Client, photo: pathlib.Path, flags: argparse.Namespace) -> None:
    (result,) = client.enhance([photo.read_bytes()], flags.exposure, flags.brightness)
    suffix = ".png" if result.file.startswith(b"\x89PNG") else ".jpg"
    with atomic_path(_free(flags.output_dir / f"{photo.stem}{suffix}", flags)) as staged:
        staged.write_bytes(result.file)


def _in_tiles(client: Client, path: pathlib.Path, flags: argparse.Namespace) -> None:
    target = _free(flags.output_dir / path.name, flags)
    photo = photo_files.read(path)
    enhance = Enhancer(ServerDriver(client), client.tiling)
    enhanced = enhance(photo.pixels, flags.exposure, flags.brightness)
    photo_files.write(target, enhanced, photo, _QUALITY)


def _free(path: pathlib.Path, flags: argparse.Namespace) -> pathlib.Path:
    if path.exists() and not flags.overwrite:
        raise UserError(f"{path} exists; give --overwrite, or another --output_dir.")
    return path


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(program.error_line(error))
