"""RAW files of cameras, developed to what networks are trained on: photos in sRGB.

LibRaw takes the camera's white balance and gives linear light in sRGB's primaries; sRGB's curve
follows here. Nothing else brightens the photo, neither the camera's own tone curve nor LibRaw's
choice of a white point for each photo: that is the network's task, and the frames of a series keep
one exposure.
"""

from __future__ import annotations

import functools
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from drgn_tf.images import colour, tiff
from drgn_tf.images.image_format import ImageFormat, UnsupportedError

_MODE = "RGB"


class _RawImage(Image.Image):
    """A RAW file that is open; nothing is decoded yet."""

    format = "RAW"

    def __init__(self, file: Any):
        try:
            import rawpy
        except ImportError as error:
            raise UnsupportedError("RAW needs rawpy: pip install 'drgn-tf[raw]'") from error
        super().__init__()
        self.raw = rawpy.RawPy()
        file.seek(0)
        self.raw.open_buffer(file)
        sizes = self.raw.sizes
        self._size, self._mode = (sizes.iwidth, sizes.iheight), _MODE
        file.seek(0)
        exif = Image.Exif()
        exif.load_from_fp(file)
        self.info["exif"] = tiff.descriptive_exif(exif).tobytes()

    def __exit__(self, *arguments: object) -> None:
        self.raw.close()


def _read(image: Image.Image, file: BinaryIO, deep: bool) -> np.ndarray:
    import rawpy

    assert isinstance(image, _RawImage)
    linear = image.raw.postprocess(
        use_camera_wb=True,
        no_auto_bright=True,
        # The sensor's white, not the brightest pixel of this photo.
        adjust_maximum_thr=0.0,
        output_color=rawpy.ColorSpace.sRGB,
        gamma=(1, 1),
        output_bps=16,
        # Turned by the EXIF data, as other photos.
        user_flip=0,
    )
    return _srgb_levels()[linear]


@functools.cache
def _srgb_levels() -> np.ndarray:
    """Returns sRGB's level of 16 bits of each level of linear light."""
    light = np.linspace(0, 1, 65536)
    return np.round(colour.from_linear(light) * 65535).astype(np.uint16)


RAW = ImageFormat(
    "RAW",
    (".dng", ".cr2", ".nef", ".arw"),
    tiff.SIGNATURE,
    _RawImage,
    _read,
    None,
    written_as=".png",
    is_this=tiff.is_raw,
    is_deep=lambda image: True,
    reads_whole=True,
)
