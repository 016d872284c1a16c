"""RAW files: what a sensor saw becomes the photo that it saw."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from drgn_tf.errors import BadImageError
from drgn_tf.images import photo_files
from tests.photo_makers import dng


@pytest.fixture(scope="module")
def smooth(photo) -> np.ndarray:
    """A photo without details that a mosaic of colours cannot hold."""
    small = Image.fromarray(photo).resize((38, 26), Image.Resampling.BOX)
    return np.asarray(small.resize((150, 100), Image.Resampling.BICUBIC))


def test_a_sensors_mosaic_becomes_the_photo(smooth):
    """White balance, colours and sRGB's curve: nothing is brighter or darker than it was."""
    photo = photo_files.decode(dng(smooth, orientation=6))
    assert photo.pixels.dtype == np.uint16 and photo.orientation == 6
    assert photo.pixels.shape == smooth.shape
    # Inside: the colours of pixels at the edge are guessed from fewer neighbours.
    difference = (photo.pixels / 257 - smooth)[4:-4, 4:-4]
    assert np.abs(difference.mean((0, 1))).max() < 1
    assert np.abs(difference).mean() < 2
    exif = Image.Exif()
    exif.load(photo.metadata["exif"])
    assert exif[0x010F] == "Maker" and exif.get_ifd(0x8769)[0x829A] == 0.02
    # None of what says how the mosaic is stored.
    assert set(exif) == {0x010F, 0x0110, 0x0112, 0x8769}


def test_the_frames_of_a_series_keep_their_exposure(smooth):
    """A frame stays as dark as it is, whatever its brightest pixel is."""
    # Grey, of which the sensor sees most in green: nearly all that it can see.
    grey = np.repeat(smooth[:, :, 1:2], 3, axis=2)
    for brightest in (60, 240):
        frame = np.round(grey * (brightest / grey.max())).astype(np.uint8)
        photo = photo_files.decode(dng(frame))
        assert abs(photo.pixels.mean() / 257 - frame.mean()) < 1


def test_more_bits_than_8_are_kept(smooth):
    levels = photo_files.decode(dng((smooth // 8).astype(np.uint8))).pixels
    assert len(np.unique(levels)) > 256


def test_what_is_missing_or_wrong_is_said(monkeypatch, smooth):
    data = dng(smooth)
    for bad, said in (
        (data[:-9000], "damaged"),
        (dng(smooth, width=20000, height=20000), "more than the limit of 256 megapixels"),
        (dng(smooth, width=15000, height=12000), "too few for 15000x12000 pixels"),
    ):
        with pytest.raises(BadImageError, match=said):
            photo_files.decode(bad)
    with pytest.raises(BadImageError, match="RAW is not written"):
        photo_files.encode(smooth, photo_files.PhotoFile(smooth), ".dng", 95)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(BadImageError) as caught:
        photo_files.decode(data, "a.dng")
    assert str(caught.value) == "a.dng: RAW needs rawpy: pip install 'drgn-tf[raw]'"
