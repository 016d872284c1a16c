"""What is opened at all: regular files, of known formats, of a bounded size."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from drgn_tf import memory
from drgn_tf.errors import BadImageError
from drgn_tf.images import colour, formats, photo_files
from drgn_tf.images.photos import list_photos, read_photo

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n%%EOF\n"


def decode_bytes(path, *limits) -> photo_files.PhotoFile:
    return photo_files.decode(path.read_bytes(), str(path), *limits)


READERS = (read_photo, photo_files.read)
# Those that do not care where the bytes come from.
DECODERS = (*READERS, decode_bytes)


def png(
    width: int,
    height: int,
    depth: int = 8,
    packed: bytes = zlib.compress(bytes(1000)),
    profile: bytes = b"",
) -> bytes:
    """Returns a PNG of a few bytes that declares any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", packed)
    named = chunk(b"iCCP", b"profile\0\0" + profile) if profile else b""
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + named + pixels + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header + bytes(100)


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 24)).save(buffer, "JPEG")
    real, declared = (struct.pack(">BHH", 8, *size) for size in ((24, 16), (height, width)))
    assert buffer.getvalue().count(real) == 1
    return buffer.getvalue().replace(real, declared)


def webp(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    first, second = (Image.new("RGB", (16, 24), colour) for colour in ("red", "blue"))
    first.save(buffer, "WEBP", save_all=True, append_images=[second])
    data = bytearray(buffer.getvalue())
    # The canvas, behind RIFF, its size, WEBPVP8X, its size and flags.
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def said(read, path) -> str:
    """Returns what reading a bad file says, which is one line and begins with its name."""
    with pytest.raises(BadImageError) as caught:
        read(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line


@pytest.mark.parametrize("read", DECODERS)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_only_known_formats_reach_a_decoder(tmp_path, photo, monkeypatch, read, suffix):
    def started(*_):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    path = tmp_path / f"holiday{suffix}"
    path.write_bytes(EPS)
    assert "is no JPEG, PNG, BMP, WEBP, TIFF, AVIF, HEIC or RAW image by its content" in said(
        read, path
    )
    for other in ("GIF", "PPM", "ICO", "PDF", "TGA"):
        Image.fromarray(photo[:32, :32]).save(path, other)
        assert "by its content" in said(read, path)


@pytest.mark.parametrize("read", DECODERS)
def test_an_empty_file_is_called_so(tmp_path, read):
    (tmp_path / "a.jpg").touch()
    assert "the file is empty; replace or remove it" in said(read, tmp_path / "a.jpg")


def test_the_content_tells_the_format_not_the_name(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.jpg", "PNG")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.jpg"), photo)


def test_every_format_is_listed_read_and_written_by_its_entry(tmp_path, photo):
    written = [entry for entry in formats.FORMATS if entry.encode is not None]
    for entry in written:
        for suffix in entry.suffixes:
            path = tmp_path / f"{entry.name}_{suffix[1:]}{suffix}"
            photo_files.write(path, photo, photo_files.PhotoFile(photo), 95)
            assert formats.format_of_content(io.BytesIO(path.read_bytes())) is entry
            assert np.abs(photo_files.read(path).pixels.astype(int) - photo).mean() < 4
    assert len(list_photos(tmp_path)) == sum(len(entry.suffixes) for entry in written)


@pytest.mark.parametrize("read", DECODERS)
@pytest.mark.parametrize(
    "data",
    [png(22000, 22000), png(1, 400_000_000), png(20000, 20000), png(2**31 - 1, 2**31 - 1),
     png(17000, 17000, 16), bmp(20000, 20000), bmp(20000, -20000), jpeg(65500, 65500),
     webp(16383, 16383)],
    ids=range(9),
)  # fmt: skip
def test_bombs_are_refused_by_their_header(tmp_path, read, data):
    (tmp_path / "a.png").write_bytes(data)
    assert "more than the limit of 256 megapixels; scale it down" in said(read, tmp_path / "a.png")


def test_few_bytes_declare_few_pixels(tmp_path):
    """Whole photos of one colour: what they need is far more than their bytes may ask for."""
    path = tmp_path / "a.png"
    row = bytes(1 + 9000 * 6)
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(row) for _ in range(9000)), packer.flush()])
    for data in (png(9000, 9000, 16, packed), bmp(12000, 12000), webp(9000, 9000)):
        path.write_bytes(data)
        line = said(read_photo, path)
        assert f"has {len(data)} bytes, too few for " in line
    # As large as the photos of phones.
    image = Image.new("RGB", (8000, 6000))
    image.save(path)
    assert read_photo(path).shape == (6000, 8000, 3)


def test_a_jpeg_of_many_scans_is_refused(tmp_path, photo):
    """55 kB with 5,000 scans took 29 s at 64 megapixels."""
    path = tmp_path / "a.jpg"
    Image.fromarray(photo[:64, :64]).save(path, progressive=True)
    whole = path.read_bytes()
    last = whole.rindex(b"\xff\xda")
    path.write_bytes(whole[:last] + whole[last:-2] * 201 + whole[-2:])
    assert "more than 200 scans" in said(photo_files.read, path)
    path.write_bytes(whole[:last] + whole[last:-2] * 150 + whole[-2:])
    photo_files.read(path)
    # As the same bytes may be in metadata, and in a video behind the photo.
    comment = b"\xff\xfe" + struct.pack(">H", 802) + b"\xff\xda" * 400
    path.write_bytes(whole[:2] + comment + whole[2:] + b"\xff\xda" * 400)
    expected = np.asarray(Image.open(io.BytesIO(whole)))
    np.testing.assert_array_equal(photo_files.read(path).pixels, expected)


def test_bombs_take_no_memory(tmp_path):
    sizes = [(22000, 22000), (1, 400_000_000), (20000, 20000), (15000, 15000)]
    for number, (width, height) in enumerate(sizes):
        (tmp_path / f"{number}.png").write_bytes(png(width, height))
    code = f"""
import pathlib
from drgn_tf.images import photo_files
for path in sorted(pathlib.Path({str(tmp_path)!r}).iterdir()):
    try:
        photo_files.read(path)
    except Exception as error:
        print(type(error).__name__)
# The peak in kB: that of getrusage is inherited.
print(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert output[:4] == ["BadImageError"] * 4
    assert int(output[4]) < 500_000


@pytest.mark.parametrize("read", DECODERS)
def test_the_limit_and_the_memory_there_is_count(tmp_path, photo, monkeypatch, read):
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path)
    with pytest.raises(BadImageError, match=r"451x300 pixels .* limit of 0\.1 megapixels"):
        read(path, 0.1)
    path.write_bytes(png(15000, 15000))
    monkeypatch.setattr(memory, "available", lambda: 2 * 10**9)
    assert "needs about 3.6 GB of memory, of which 2.0 GB are free" in said(read, path)
    path.write_bytes(png(15000, 15000, 16))
    assert "needs about 7.2 GB" in said(read, path)
    # 12 bytes a pixel more.
    p3 = zlib.compress(colour.matrix_profile("P3", colour.DISPLAY_P3))
    path.write_bytes(png(15000, 15000, profile=p3))
    assert "needs about 6.3 GB" in said(read, path)


@pytest.mark.parametrize("read", READERS)
def test_only_regular_files_are_read(tmp_path, photo, read):
    for number, device in enumerate(("/dev/zero", "/dev/urandom", "/dev/null")):
        (tmp_path / f"{number}.jpg").symlink_to(device)
        assert "is a device or a pipe" in said(read, tmp_path / f"{number}.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    # In a thread: a hang would be the failure.
    lines = []
    thread = threading.Thread(
        target=lambda: lines.append(said(read, tmp_path / "pipe.jpg")), daemon=True
    )
    thread.start()
    thread.join(20)
    assert "is a device or a pipe" in lines[0]
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert "cannot be read (Too many levels" in said(read, tmp_path / "loop.jpg")
    assert "cannot be read (File name too long" in said(read, tmp_path / ("n" * 300))
    Image.fromarray(photo).save(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    read(tmp_path / "link.png")


@pytest.mark.parametrize(
    "data", [png(100, 100), bmp(100, 100), webp(100, 100), jpeg(100, 100)], ids=range(4)
)
def test_a_file_larger_than_its_photo_needs_is_not_read(tmp_path, data):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.write(data)
        file.truncate(2**30)
    tracemalloc.start()
    try:
        line = said(read_photo, path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
    assert "has 1074 MB, more than a photo of 100x100 pixels needs" in line


def test_headers_that_never_end_are_given_up(tmp_path):
    """A header's parts are looked for byte by byte, in Python: 600 MB take a minute and more."""
    begun = jpeg(20000, 10000)
    begun = begun[: begun.index(b"\xff\xda")]
    part = struct.pack(">I4sI", 0, b"tIME", zlib.crc32(b"tIME"))
    for start, filling in (
        (begun[:20], b""),  # Before the size is known.
        (begun, b""),
        (begun, b"\xff\xe0\xff\xff" + bytes(0xFFFD)),
        (png(20000, 10000)[:33], part),
    ):
        with (tmp_path / "a.jpg").open("wb") as file:
            file.write(start + filling * (60_000_000 // max(1, len(filling))))
            file.truncate(600_000_000)
        begun_at = time.process_time()
        assert "more parts than a photo has" in said(read_photo, tmp_path / "a.jpg")
        assert time.process_time() - begun_at < 10


def test_damaged_metadata_are_not_warned_of(tmp_path, photo):
    """A photo is used all the same, and Pillow's warnings are two lines of its source each."""
    tags = Image.Exif()
    tags[0x010F] = "a camera of a long name"
    exif = bytearray(tags.tobytes())
    # Where the name lies: behind the end.
    (entry,) = (
        at for at in range(len(exif)) if exif[at : at + 4] in (b"\x0f\x01\x02\0", b"\x01\x0f\0\x02")
    )
    exif[entry + 8 : entry + 12] = b"\x7f" * 4
    Image.fromarray(photo[:32, :32]).save(tmp_path / "a.jpg", exif=bytes(exif))
    code = f"from drgn_tf.images.photos import read_photo; read_photo({str(tmp_path / 'a.jpg')!r})"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert process.stderr == ""


def test_the_process_keeps_its_limit_of_pillow(tmp_path, photo):
    path = tmp_path / "a.webp"
    Image.fromarray(photo).save(path)
    code = f"""
from PIL import Image
limit = Image.MAX_IMAGE_PIXELS
from drgn_tf.images.photos import read_photo
read_photo({str(path)!r})
assert Image.MAX_IMAGE_PIXELS == limit is not None
Image.MAX_IMAGE_PIXELS = 1000
try:
    read_photo({str(path)!r})
except Exception as error:
    print(error)
"""
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert output == (
        f"{path}: is larger than Pillow's limit for WEBP, 0 megapixels; scale it down.\n"
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".avif"])
def test_pillows_limit_is_not_that_of_photos(tmp_path, photo, monkeypatch, suffix):
    Image.fromarray(photo).save(tmp_path / f"a{suffix}")
    # Half of which warns, all of which is refused by Image.open.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", photo.shape[0] * photo.shape[1] // 2 + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(tmp_path / f"a{suffix}").shape == photo.shape
    with monkeypatch.context() as other:
        other.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        if suffix != ".webp":
            assert read_photo(tmp_path / f"a{suffix}").shape == photo.shape


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0"}, {"rgba": 1}])
def test_sizes_are_those_that_pillow_reads(photo, options):
    image = Image.fromarray(photo[:51, :77])
    if options.pop("rgba", None):
        image.putalpha(99)
    for entry in formats.FORMATS:
        if entry.size is not None:
            buffer = io.BytesIO()
            image.save(buffer, entry.name, **options)
            assert entry.size(buffer.getvalue()[: formats.SIGNATURE_SIZE]) == (77, 51)


def test_what_a_format_cannot_hold_is_one_line(tmp_path, photo):
    wide = np.zeros((16, 70000, 3), np.uint8)
    for name in ("a.jpg", "a.webp", "a.avif"):
        with pytest.raises(BadImageError, match=r"cannot hold this photo .*choose another format"):
            photo_files.write(tmp_path / name, wide, photo_files.PhotoFile(wide), 95)
    metadata = {"exif": b"Exif\0\0" + bytes(70000)}
    with pytest.raises(BadImageError, match="cannot hold this photo"):
        photo_files.write(
            tmp_path / "a.jpg", photo, photo_files.PhotoFile(photo, metadata=metadata), 95
        )
    assert not list(tmp_path.iterdir())
