"""Photo files inside a graph: how large, which way up, decoding and encoding.

What decoders allocate is decided by a few bytes at the beginning of a file: a PNG of 70 kB may
claim 256 megapixels. So the size is read first, from the headers alone, and files that are too
large, or of no known format, are refused before any is decoded, in one error that names them.
"""

from __future__ import annotations

import tensorflow as tf

from drgn_tf.tensors import Tensor

# Of each file as much is read for its format and size, and for its EXIF orientation.
_HEAD = 64
_EXIF_HEAD = 2**16
_ORIENTATION = 0x0112


def checked(files: Tensor, most_pixels: int) -> Tensor:
    """Returns the files; where one cannot be taken, the graph ends with an error that names it.

    Args:
      files: string [B].
      most_pixels: height times width of the largest that is taken.
    """
    count = tf.strings.as_string(tf.size(files))

    def problem(inputs: tuple[Tensor, Tensor]) -> Tensor:
        file, number = inputs
        size = _size(file)
        pixels = tf.reduce_prod(tf.cast(size, tf.float64))
        height, width = tf.strings.as_string(size[0]), tf.strings.as_string(size[1])
        refused = tf.case(
            [
                (pixels > most_pixels, lambda: tf.strings.join([
                    "has ", width, "x", height, " pixels, and at most ", str(most_pixels),
                    " are taken; send a smaller one. "])),
                (pixels < 1, lambda: tf.constant("is no JPEG, PNG, WebP, BMP or GIF file. ")),
            ],
            lambda: tf.constant(""),
        )  # fmt: skip
        named = tf.strings.join(["File ", tf.strings.as_string(number + 1), " of ", count, " "])
        return tf.where(refused == "", "", named + refused)

    numbers = tf.range(tf.size(files))
    with tf.name_scope("headers"):
        problems = tf.map_fn(problem, (files, numbers), fn_output_signature=tf.string)
    message = tf.strings.reduce_join(problems)
    # tf.debugging.Assert would hide the message behind a condition and the names of its nodes.
    fine = tf.raw_ops.Assert(condition=message == "", data=[message], name="image_bytes")
    with tf.control_dependencies([fine]):
        return tf.identity(files)


def decoded(file: Tensor, upright: bool) -> Tensor:
    """Decodes a photo of any channels and bit depth to RGB floats [H, W, 3].

    Args:
      file: string [], checked.
      upright: whether it is turned as the EXIF orientation of a JPEG says.
    """
    is_png = tf.equal(tf.strings.substr(file, 0, 4), b"\x89PNG")

    def jpeg() -> Tensor:
        # TensorFlow's default is a fast decoder with errors of up to 6 levels.
        image = tf.io.decode_jpeg(file, 3, dct_method="INTEGER_ACCURATE")
        return to_float(_turned(image, _orientation(file)) if upright else image)

    def png() -> Tensor:
        # 8-bit photos are widened to 16 bits exactly.
        return tf.cast(tf.io.decode_png(file, 3, tf.uint16), tf.float32) / 65535

    image = tf.case(
        [(tf.io.is_jpeg(file), jpeg), (is_png, png)],
        lambda: to_float(tf.io.decode_image(file, 3, expand_animations=False)),
    )
    return tf.ensure_shape(image, [None, None, 3])


def encoded(image: Tensor, jpeg_quality: int | None) -> Tensor:
    """Encodes uint8 [H, W, 3] as JPEG of a quality, without subsampled colours, or as PNG."""
    if jpeg_quality is None:
        return tf.io.encode_png(image)
    return tf.io.encode_jpeg(image, quality=jpeg_quality, chroma_downsampling=False)


def to_float(image: Tensor) -> Tensor:
    """Returns uint8 images as float32 in [0, 1]."""
    return tf.cast(image, tf.float32) / 255.0


def _size(file: Tensor) -> Tensor:
    """Returns int64 [2], height and width by the header of a file; zeros if it has none."""
    head = tf.strings.join([tf.strings.substr(file, 0, _HEAD), "\0" * _HEAD])
    values = tf.cast(tf.io.decode_raw(head, tf.uint8, fixed_length=_HEAD), tf.int64)

    def number(place: int, length: int, big: bool = False) -> Tensor:
        part = values[place : place + length]
        powers = [256**i for i in range(length)]
        return tf.reduce_sum(part * tf.constant(powers[::-1] if big else powers, tf.int64))

    def starts(text: bytes, place: int = 0) -> Tensor:
        return tf.strings.substr(head, place, len(text)) == text

    def lossless_webp() -> list[Tensor]:
        bits = number(21, 4)
        return [1 + bits // 2**14 % 2**14, 1 + bits % 2**14]

    def bmp() -> list[Tensor]:
        # A negative height says that the first row is at the top.
        height = number(22, 4)
        return [tf.minimum(height, 2**32 - height), number(18, 4)]

    webp = starts(b"RIFF") & starts(b"WEBP", 8)
    cases = [
        (tf.io.is_jpeg(file), lambda: tf.cast(tf.io.extract_jpeg_shape(file)[:2], tf.int64)),
        (starts(b"\x89PNG\r\n\x1a\n"), lambda: [number(20, 4, True), number(16, 4, True)]),
        (webp & starts(b"VP8 ", 12), lambda: [number(28, 2) % 2**14, number(26, 2) % 2**14]),
        (webp & starts(b"VP8L", 12), lossless_webp),
        (webp & starts(b"VP8X", 12), lambda: [1 + number(27, 3), 1 + number(24, 3)]),
        (starts(b"BM"), bmp),
        (starts(b"GIF8"), lambda: [number(8, 2), number(6, 2)]),
    ]
    stacked = [(is_it, lambda read=read: tf.stack(read())) for is_it, read in cases]
    return tf.case(stacked, lambda: tf.zeros([2], tf.int64))


def _orientation(file: Tensor) -> Tensor:
    """Returns the EXIF orientation of a JPEG, int32 from 1 to 8; 1 if it has none."""
    head = tf.strings.join([tf.strings.substr(file, 0, _EXIF_HEAD), "\0" * 32])
    values = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
    last = tf.size(values) - 1

    def at(place: Tensor) -> Tensor:
        return tf.gather(values, tf.clip_by_value(place, 0, last))

    # A segment APP1: its mark, two bytes of length, and this.
    pattern = b"\xff\xe1..Exif\0\0"
    places = tf.range(last - len(pattern))
    found = tf.ones_like(places, tf.bool)
    for i, byte in enumerate(pattern):
        if byte != ord("."):
            found &= at(places + i) == byte
    tiff = tf.cast(tf.argmax(found), tf.int32) + len(pattern)
    is_little = at(tiff) == ord("I")

    def number(place: Tensor, length: int) -> Tensor:
        parts = [at(place + i) for i in range(length)]
        little = sum(part * 256**i for i, part in enumerate(parts))
        big = sum(part * 256**i for i, part in enumerate(reversed(parts)))
        return tf.where(is_little, little, big)

    # Directories of photos lie within 64 kB, so two of the four bytes of an offset suffice.
    entries = tiff + tf.where(is_little, number(tiff + 4, 2), number(tiff + 6, 2))
    starts = entries + 2 + 12 * tf.range(tf.minimum(number(entries, 2), 512))
    values_there = tf.where(number(starts, 2) == _ORIENTATION, number(starts + 8, 2), 0)
    orientation = tf.reduce_max(tf.concat([values_there, [0]], 0))
    valid = tf.reduce_any(found) & (orientation >= 1) & (orientation <= 8)
    return tf.where(valid, orientation, 1)


def _turned(image: Tensor, orientation: Tensor) -> Tensor:
    """Turns an image [H, W, C] upright."""

    def is_one_of(*numbers: int) -> Tensor:
        return tf.reduce_any(orientation == tf.constant(numbers))

    for condition, turn in (
        (is_one_of(5, 6, 7, 8), lambda image: tf.transpose(image, [1, 0, 2])),
        (is_one_of(2, 3, 6, 7), lambda image: image[:, ::-1]),
        (is_one_of(3, 4, 7, 8), lambda image: image[::-1]),
    ):
        image = tf.cond(
            condition, lambda turn=turn, image=image: turn(image), lambda image=image: image
        )
    return image
