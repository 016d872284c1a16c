"""What is fuzzed: every reader of files from strangers.

A reader must read an input or refuse it by a `UserError` of one line. Anything else is a find.
Files of models are opened in child processes, as their native runtimes may crash.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import random
import resource
import signal
import tempfile
import time
import types
import unittest.mock
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from drgn_tf import weights
from drgn_tf.cli.program import error_line
from drgn_tf.data import sample
from drgn_tf.data.annotations import read_annotations
from drgn_tf.data.pairs import read_stems
from drgn_tf.errors import UserError
from drgn_tf.evaluation.detection import Detector
from drgn_tf.evaluation.detector_layout import read_layout
from drgn_tf.images import colour, formats, photo_files
from drgn_tf.images.photos import read_photo, turned
from drgn_tf.inference import load_driver, trial, video
from drgn_tf.inference.network_description import read_description
from tests import photo_makers
from tests.film_makers import Film, Unchanged, make

# Beyond, photos are refused by their size: what is left must fit into the limit of memory.
_MEGAPIXELS = 8
# Seconds of a core that a small network may take, and seconds that nothing takes.
_LONGEST, _NEVER = 20, 300
# Exit codes of child processes that do not mean a traceback.
_REFUSED = 3


class FoundError(Exception):
    """A reader that broke its promise."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader to fuzz.

    Attributes:
      seeds: gives well-formed inputs, made of free photos.
      read: reads an input, with an empty folder to write to.
      mutate: changes an input in a way that bytes are hardly changed by chance; also to itself.
      guided: whether coverage says anything; not of what runs in child processes.
      imports: modules that child processes need.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, pathlib.Path], None]
    mutate: Callable[[bytes, random.Random], bytes] | None = None
    guided: bool = True
    imports: tuple[str, ...] = ()


def check(read: Callable[[], object]) -> bool:
    """Returns whether something can be read; raises FoundError unless it is refused by one line."""
    warned: list[str] = []
    with unittest.mock.patch(
        "warnings.showwarning", lambda message, *_, **__: warned.append(message)
    ):
        return _checked(read, warned)


def _checked(read: Callable[[], object], warned: list[str]) -> bool:
    try:
        read()
        if warned:
            raise FoundError(f"shows a warning: {warned[0]}")
    except UserError as error:
        line = error_line(error)
        if "\n" in line or len(line) > 2000:
            raise FoundError(f"a message that is not one line: {line!r:.500}") from error
        return False
    return True


@functools.cache
def _photo() -> Image.Image:
    with Image.open(sample.held_out_photos()[0]) as image:
        return image.convert("RGB").crop((100, 60, 132, 84))


def _encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or _photo()).save(buffer, kind, **options)
    return buffer.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "maker", 0x0132: "2020:01:01 00:00:00", 0x011A: 72.0})
    exif.get_ifd(0x8769).update({0x829A: 0.01, 0x927C: b"notes", 0x9003: "2020:01:01 00:00:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return exif.tobytes()


def _profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo_seeds() -> list[bytes]:
    """A small file of each format and mode."""
    photo, metadata = _photo(), {"exif": _exif(), "icc_profile": _profile()}
    files = [_encoded(name) for name in ("JPEG", "PNG", "BMP", "WEBP")]
    files += [_encoded(kind, **metadata) for kind in ("JPEG", "PNG", "WEBP")]
    files += [_encoded("PNG", photo.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA")]
    files += [_encoded("BMP", photo.convert(mode)) for mode in ("1", "L", "P")]
    files += [_encoded("JPEG", photo.convert(mode)) for mode in ("L", "CMYK")]
    files += [
        _encoded("JPEG", progressive=True),
        _encoded("WEBP", lossless=True),
        _encoded("WEBP", photo.convert("RGBA")),
        _encoded("GIF"),
    ]
    deep = photo_files.PhotoFile(np.asarray(photo).astype(np.uint16) * 257)
    png = formats.format_of_name(".png")
    files += [png.encode(deep.pixels[:, :, :channels], {}, 95) for channels in (1, 3)]
    return files


def tiff_seeds() -> list[bytes]:
    """A small file of each kind of pixels and of compression."""
    photo = _photo()
    kinds = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", None)
    files = [_encoded("TIFF", compression=kind) for kind in kinds]
    files += [
        _encoded("TIFF", photo.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA", "CMYK")
    ]
    files += [_encoded("TIFF", exif=_exif(), icc_profile=_profile(), big_tiff=True)]
    deep = np.asarray(photo).astype(np.uint16) * 257
    encode = formats.format_of_name(".tif").encode
    files += [encode(deep[:, :, :channels], {"exif": _exif()}, 95) for channels in (1, 3)]
    tiled = {322: 32, 323: 32, 324: 0, 325: 3072, 256: 30, 257: 20, 258: (8, 8, 8), 262: 2, 277: 3}
    return [*files, photo_makers.tiff(tiled, bytes(3072))]


def heif_seeds() -> list[bytes]:
    """HEIC of a phone and of 10 bits, and AVIF."""
    files = pathlib.Path(__file__).parents[1] / "images" / "files"
    metadata = {"exif": _exif(), "icc_profile": _p3()}
    return [
        *(path.read_bytes() for path in sorted(files.glob("*.heic"))),
        _encoded("AVIF", **metadata),
        _encoded("AVIF", _photo().convert("RGBA"), subsampling="4:4:4"),
    ]


def raw_seeds() -> list[bytes]:
    """A DNG file."""
    return [photo_makers.dng(np.asarray(_photo()), orientation) for orientation in (1, 6)]


def _p3() -> bytes:
    return colour.matrix_profile("Display P3", colour.DISPLAY_P3)


def profile_seeds() -> list[bytes]:
    """Profiles of a matrix and curves."""
    return [_p3(), colour.matrix_profile("gamma", colour.DISPLAY_P3, curve=(2.2,)), _profile()]


def profiles(data: bytes, folder: pathlib.Path) -> None:
    """Brings a photo from a profile to sRGB and back; as one of inks it is LittleCMS's."""
    photo = photo_files.PhotoFile(np.asarray(_photo()), metadata={"icc_profile": data})
    shown = photo.in_srgb()
    if photo.out_of_srgb(shown).shape != photo.pixels.shape:
        raise FoundError("another size")
    cmyk = _encoded("JPEG", _photo().convert("CMYK"), icc_profile=data[:16] + b"CMYK" + data[20:])
    check(lambda: photo_files.decode(cmyk))


def read_photos(data: bytes, folder: pathlib.Path) -> None:
    """Reads a photo as training and as enhancement do; writes it anew and reads that."""
    path = folder / "photo.png"
    path.write_bytes(data)
    check(lambda: read_photo(path, _MEGAPIXELS))
    found: list[photo_files.PhotoFile] = []
    if not check(lambda: found.append(photo_files.read(path, _MEGAPIXELS))):
        return
    (photo,) = found
    for suffix in (".jpg", ".png", ".webp", ".bmp", ".tif", ".avif"):
        result = folder / f"result{suffix}"
        if check(lambda result=result: photo_files.write(result, photo.pixels, photo, 95)):
            try:
                again = photo_files.read(result, _MEGAPIXELS)
            except UserError as error:
                raise FoundError(f"a result that cannot be read: {error}") from error
            shown, shown_again = (turned(one.pixels, one.orientation) for one in (photo, again))
            if shown.shape != shown_again.shape:
                raise FoundError(f"{suffix}: {shown_again.shape} of a photo {shown.shape}")


_CARRIERS = [
    (kind, name) for kind in ("JPEG", "PNG", "WEBP") for name in ("exif", "icc_profile", "xmp")
]


def metadata_seeds() -> list[bytes]:
    """Metadata, behind a byte that says of what file."""
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a/></x:xmpmeta>"
    content = {"exif": _exif(), "icc_profile": _profile(), "xmp": xmp}
    return [bytes([number]) + content[name] for number, (_, name) in enumerate(_CARRIERS)]


def read_metadata(data: bytes, folder: pathlib.Path) -> None:
    """Reads a well-formed photo with any metadata."""
    kind, name = _CARRIERS[data[0] % len(_CARRIERS)] if data else _CARRIERS[0]
    options: dict[str, object] = {name: data[1:]}
    if (kind, name) == ("PNG", "xmp"):
        from PIL.PngImagePlugin import PngInfo

        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", data[1:].decode("latin-1"))
    try:
        encoded = _encoded(kind, **options)
    except (ValueError, OSError, SyntaxError, TypeError):
        # Pillow does not write it; what it would write is among the photos.
        return
    read_photos(encoded, folder)


_VALUES = (
    None, True, False, 0, 1, -1, 2, 255, 256, 0.5, -0.0, 1e-300, 1e300, 10**400, 2**31, 2**63,
    70000, float("nan"), float("inf"), -float("inf"), "", "cat", "0", "predictions", "nan",
    "../a.jpg", "a\n\x1b[31m", "\ud800", "\0", [], [[]], {}, {"": 0}, [0], [1, 2],
    [1, 2, 3, 4],
    [1.5, 2.5], [1e9, 1e9], [-1, 0], ["cat"], [1, "a"], [None, None], ["cat"] * 300, [[8, 2]],
    [[0.5, 1e3]],
)  # fmt: skip


def mutate_json(data: bytes, generator: random.Random) -> bytes:
    """Replaces, removes or adds values of JSON, behind a byte that is no part of it."""
    head = data[:1] if data[:2] == b"{{" else b""
    try:
        content = json.loads(data[len(head) :])
    except (ValueError, RecursionError):
        # Not JSON any more: to be changed byte by byte.
        return data
    for _ in range(generator.randint(1, 3)):
        content = _mutated(content, generator)
    return head + json.dumps(content).encode()


def _mutated(value: Any, generator: random.Random) -> Any:
    if not isinstance(value, (list, dict)) or not value or generator.random() < 0.1:
        return generator.choice(_VALUES)
    value = value.copy()
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = generator.choice(keys)
    kind = generator.random()
    if kind < 0.1:
        del value[key]
    elif kind < 0.15 and isinstance(value, list):
        value.append(value[key])
    elif kind < 0.15:
        value[f"{key}s"] = value[key]
    else:
        value[key] = _mutated(value[key], generator)
    return value


def annotation_seeds() -> list[bytes]:
    """A COCO file, and one of ExDark."""
    content = {
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 6, "file_name": "sub/b.png"}],
        "categories": [{"id": 9, "name": "cat"}],
        "annotations": [
            {"image_id": 5, "category_id": 9, "bbox": [1, 2, 3.5, 4], "iscrowd": 0},
            {"image_id": 6, "category_id": 9, "bbox": [0, 0, 1e3, 4]},
        ],
    }
    exdark = b"% bbGt version=3\nCat 1 2 3 4 0 0 0 0 0 0 0\nDog 5 6 7 8 0 0 0 0 0 0 0\n"
    return [b"{" + json.dumps(content).encode(), b"%" + exdark]


def annotations(data: bytes, folder: pathlib.Path) -> None:
    """Reads annotations, behind a byte that says whether they are ExDark's."""
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "exdark").mkdir(exist_ok=True)
    for name in ("a.jpg", "sub/b.png"):
        (folder / name).touch()
    is_exdark = data[:1] == b"%"
    path = folder / "exdark" / "a.jpg.txt" if is_exdark else folder / "boxes.json"
    path.write_bytes(data[1:])
    found: list = []
    if check(lambda: found.append(read_annotations(path.parent if is_exdark else path, folder))):
        for box in found[0].ground_truth["annotations"]:
            if not np.isfinite(box["bbox"]).all():
                raise FoundError(f"a box without an extent: {box}")


def layout_seeds() -> list[bytes]:
    """A layout of each kind."""
    names = ["cat", "dog"]
    return [
        json.dumps(content).encode()
        for content in (
            {"kind": "ssd", "class_names": names, "size": [32, 48], "pad_value": 0},
            {"kind": "yolov5", "class_names": names, "input_range": [-1, 1], "channels": "bgr"},
            {"kind": "yolov8", "class_names": names, "outputs": {"predictions": "0"}},
            {"kind": "fastestdet", "class_names": names},
            {"kind": "anchors", "class_names": names, "anchors": [[16, 2]], "corners": "xyxy",
             "nms_iou": 0.5, "units": "normalised", "resize_mode": "stretch"},
        )
    ]  # fmt: skip


def layouts(data: bytes, folder: pathlib.Path) -> None:
    """Reads a layout, and finds boxes in a photo by it."""
    path = folder / "layout.json"
    path.write_bytes(data)
    found: list = []
    if not check(lambda: found.append(read_layout(path))):
        return
    layout = found[0]
    # A detector without a file; its outputs are noise of the shapes that each kind expects.
    detector = Detector.__new__(Detector)
    detector.path, detector.layout = path, layout
    detector.size, detector._channels_first = layout.size or (32, 32), False
    generator = np.random.default_rng(list(data))
    shapes = {
        "ssd": [(1, 9, 4), (1, 9), (1, 9), (1,)],
        "yolov5": [(1, 9, 7)],
        "yolov8": [(1, 6, 9)],
        "fastestdet": [(1, 7, 3, 4)],
        "anchors": [(1, 8, 4), (1, 8, 2)],
    }[layout.kind]
    outputs = [generator.uniform(0, 2, shape).astype(np.float32) for shape in shapes]
    for output in outputs:
        strange = generator.choice([np.nan, np.inf, -np.inf, 1e38, -1e30, 1e9], output.shape)
        np.copyto(output, strange, where=generator.random(output.shape) < 0.05, casting="unsafe")
    detector._runner = types.SimpleNamespace(
        run=lambda image: {**dict(enumerate(outputs)), "0": outputs[0]}
    )
    check(lambda: detector(np.asarray(_photo())))


def description_seeds() -> list[bytes]:
    """Descriptions of networks with all entries."""
    return [
        json.dumps(content).encode()
        for content in (
            {"file": "net.onnx", "name": "net", "input": "image", "output": 1, "layout": "nchw",
             "channels": "bgr", "input_range": [-1, 1], "result": "residual", "multiple_of": 8},
            {"file": "net.tflite", "output": "image", "output_range": [0, 255], "size": [32, 48],
             "resize_mode": "stretch"},
        )
    ]  # fmt: skip


def descriptions(data: bytes, folder: pathlib.Path) -> None:
    """Reads the description of a network."""
    (folder / "peer.json").write_bytes(data)
    check(lambda: read_description(folder / "peer.json"))


def stem_seeds() -> list[bytes]:
    """A list of stems."""
    return [b"# held out\na_1\nb 2 # why\n\xc3\xa4\n"]


def stems(data: bytes, folder: pathlib.Path) -> None:
    """Reads a list of stems."""
    path = folder / "stems.txt"
    path.write_bytes(data)
    check(lambda: read_stems(path))


def in_child(work: Callable[[], object]) -> str:
    """Runs something in a child process.

    Returns:
      "read", "refused", or how the process ended: "hung" or "signal N".

    Raises:
      FoundError: it raised another error than `UserError`.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        code = 1
        try:
            # As libFuzzer has them, they would end the fuzzing.
            for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE,
                           signal.SIGILL, signal.SIGALRM):  # fmt: skip
                signal.signal(number, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CPU, (_LONGEST, _LONGEST + 1))
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            code = 0 if check(work) else _REFUSED
        except BaseException as error:  # noqa: BLE001
            os.write(writing, f"{type(error).__name__}: {error}"[:4000].encode())
        finally:
            os._exit(code)
    os.close(writing)
    ended = time.monotonic() + _NEVER
    status = None
    while status is None and time.monotonic() < ended:
        done, found = os.waitpid(process, os.WNOHANG)
        status = os.waitstatus_to_exitcode(found) if done else None
        if status is None:
            time.sleep(0.002)
    if status is None:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    said = os.read(reading, 4000).decode(errors="replace") if status == 1 else ""
    os.close(reading)
    if status == 1:
        raise FoundError(said)
    if status in (None, -signal.SIGXCPU, -signal.SIGKILL):
        return "hung"
    return {0: "read", _REFUSED: "refused"}.get(status, f"signal {-status}")


def native(suffix: str) -> Callable[[bytes, pathlib.Path], None]:
    """Gives what reads files of a native runtime: what passes its trial must not crash later."""

    def read(data: bytes, folder: pathlib.Path) -> None:
        path = folder / f"net{suffix}"
        path.write_bytes(data)

        def first() -> None:
            trial._limit_memory(path)
            trial._try(path, trial.__name__, ())

        def later() -> None:
            driver = load_driver(path, threads=2, trusted=True)
            height, width = driver.size or (40, 23)
            image = np.full((1, height, width, 3), 0.2, np.float32)
            side = driver.thumbnail_size
            thumbnail = None if side is None else image[:, :1, :1].repeat(side, 1).repeat(side, 2)
            with contextlib.suppress(ValueError, RuntimeError):
                driver.run(image, thumbnail)

        # A crash or a hang of the trial itself is what it is for.
        if in_child(first) == "read" and (ended := in_child(later)) not in ("read", "refused"):
            raise FoundError(f"passes its trial, then: {ended}")

    return read


def tflite_seeds() -> list[bytes]:
    """Files of one operator or three, and shipped weights."""
    from tests.model_files import ADD, loop, tflite

    shipped = weights.fast_path("mobile").read_bytes()
    return [tflite(ADD), tflite(loop(1, 2), ADD, ADD), shipped]


def onnx_seeds() -> list[bytes]:
    """A loop and a convolution."""
    from tests.model_files import onnx_convolution, onnx_loop

    return [onnx_loop(2), onnx_convolution()]


def _keras_members() -> dict[str, bytes]:
    with zipfile.ZipFile(weights.path("mobile")) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def keras_seeds() -> list[bytes]:
    """A whole file, its configuration and its weights, behind a byte that says which."""
    members = _keras_members()
    whole = weights.path("mobile").read_bytes()
    return [b"0" + whole, b"1" + members[_CONFIG], b"2" + members[_WEIGHTS]]


def keras_files(data: bytes, folder: pathlib.Path) -> None:
    """Opens a `.keras` file with any bytes, or any configuration or weights in a sound archive."""
    from drgn_tf.models import load_model

    path = folder / "net.keras"
    if data[:1] in (b"1", b"2"):
        members = {**_keras_members(), (_CONFIG if data[:1] == b"1" else _WEIGHTS): data[1:]}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        path.write_bytes(data[1:])
    ended = in_child(lambda: load_model(path))
    if ended not in ("read", "refused"):
        raise FoundError(ended)


def video_seeds() -> list[bytes]:
    photo = np.asarray(_photo().resize((160, 96)))
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".mp4", ".mkv", ".avi"):
            film = Film(size=(32, 16), times=tuple(range(0, 500, 100)), sound=suffix != ".avi")
            path = make(pathlib.Path(folder, f"film{suffix}"), photo, film)
            seeds.append(path.read_bytes())
    return seeds


def videos(data: bytes, folder: pathlib.Path) -> None:
    """Enhances a video, or what is readable of it; by FFmpeg, in a child process."""
    path, target = folder / "film.mp4", folder / "result.mp4"
    path.write_bytes(data)

    def enhance() -> None:
        target.unlink(missing_ok=True)
        video.enhance_video(Unchanged(), path, target, max_megapixels=1, keep_readable=True)

    ended = in_child(enhance)
    if ended not in ("read", "refused"):
        raise FoundError(ended)


TARGETS = {
    "photos": Target(photo_seeds, read_photos),
    "tiff": Target(tiff_seeds, read_photos),
    "heif": Target(heif_seeds, read_photos, imports=("pi_heif",)),
    "raw": Target(raw_seeds, read_photos, imports=("rawpy",)),
    "profiles": Target(profile_seeds, profiles),
    "metadata": Target(metadata_seeds, read_metadata),
    "videos": Target(video_seeds, videos, guided=False, imports=("av", "cv2")),
    "annotations": Target(annotation_seeds, annotations, mutate=mutate_json),
    "layouts": Target(layout_seeds, layouts, mutate=mutate_json),
    "descriptions": Target(description_seeds, descriptions, mutate=mutate_json),
    "stems": Target(stem_seeds, stems),
    "tflite": Target(
        tflite_seeds, native(".tflite"), guided=False, imports=("ai_edge_litert.interpreter",)
    ),
    "onnx": Target(onnx_seeds, native(".onnx"), guided=False, imports=("onnxruntime",)),
    "keras": Target(
        keras_seeds, keras_files, guided=False, imports=("tensorflow", "drgn_tf.models")
    ),
}
