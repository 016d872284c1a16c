"""Photos in other colour spaces than sRGB look the same before and after."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from drgn_tf.images import colour

P3 = colour.matrix_profile("Display P3", colour.DISPLAY_P3)
# Of Adobe RGB (1998) and ROMM RGB.
ADOBE = colour.matrix_profile(
    "Adobe", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), curve=(563 / 256,)
)
PROPHOTO = colour.matrix_profile(
    "ProPhoto",
    ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105)),
    (0.3457, 0.3585),
    (1.8,),
)
PROFILES = {"P3": P3, "Adobe RGB": ADOBE, "ProPhoto": PROPHOTO}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def in_srgb_by_lcms(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Converts uint8 pixels as other programs do."""
    image = ImageCms.profileToProfile(
        Image.fromarray(pixels), io.BytesIO(profile), ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip
    return np.asarray(image)


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """Any colours, saturated ones among them."""
    return np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)


@pytest.mark.parametrize("name", PROFILES)
def test_srgb_is_that_of_littlecms(colours, name):
    space = colour.space_of(PROFILES[name])
    ours = space.to_srgb(colours) / 257
    # Half a level is its rounding to 8 bits; its tables of 8-bit photos have about as much error.
    assert np.abs(ours - in_srgb_by_lcms(colours, PROFILES[name])).max() < 1.5


@pytest.mark.parametrize("name", PROFILES)
def test_a_network_that_changes_nothing_gives_the_photo_back(colours, name):
    space = colour.space_of(PROFILES[name])
    back = space.from_srgb(space.to_srgb(colours), colours)
    # A level, where sRGB's curve is steeper in black than a power.
    assert np.abs(back.astype(int) - colours).max() <= (name == "Adobe RGB")
    deep = colours.astype(np.uint16) * 257
    bright = deep > 2570
    back = space.from_srgb(space.to_srgb(deep), deep)
    assert back.dtype == np.uint16
    # Levels of 16 bits that sRGB has no more of, at most four times as steep.
    assert np.abs(back.astype(int) - deep)[bright].max() <= 16


def test_brightening_keeps_saturated_colours_saturated():
    """Twice the light of a red that sRGB has not is twice the light of that red."""
    space = colour.space_of(P3)
    photo = np.full((4, 4, 3), [140, 12, 9], np.uint8)
    light = colour.to_linear(photo / 255.0)
    enhanced = space.to_srgb(photo)
    assert (enhanced[0, 0, 1:] == 0).all()
    brighter = colour.from_linear(2 * colour.to_linear(enhanced / 65535))
    result = space.from_srgb(np.round(brighter * 65535).astype(np.uint16), photo)
    # Of a light of 0.26, of which a hundredth part is taken for noise.
    np.testing.assert_allclose(result, 255 * colour.from_linear(2 * light), atol=2)


def test_noise_in_the_dark_is_not_amplified():
    """Two levels of green in black, outside of sRGB; the network made it a smooth grey."""
    space = colour.space_of(P3)
    photo = np.zeros((4, 4, 3), np.uint8)
    photo[2, 2, 1] = 2
    enhanced = np.full((4, 4, 3), 100 * 257, np.uint16)
    assert np.abs(space.from_srgb(enhanced, photo).astype(int) - 100).max() <= 1


def test_neutral_stays_neutral_and_has_no_bands():
    """A smooth sky: each level of the photo stays one, and grey stays grey."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3)
    for profile in PROFILES.values():
        grey = colour.space_of(profile).to_srgb(ramp)[0].astype(int)
        # The matrices of profiles have 16 bits behind the point.
        assert np.ptp(grey, axis=1).max() < 20
        assert (np.diff(grey[:, 0]) > 0).all()
    assert np.abs(colour.space_of(P3).to_srgb(ramp)[0] - 257.0 * ramp[0]).max() < 20


def test_srgb_and_what_cannot_be_used_is_taken_as_srgb():
    for profile in (
        None, b"", b"no profile", SRGB, colour.matrix_profile("sRGB", colour.SRGB),
        P3.replace(b"RGB ", b"GRAY", 1), P3.replace(b"desc", b"A2B0"), P3.replace(b"para", b"what"),
        P3.replace(b"rXYZ", b"none"),
    ):  # fmt: skip
        assert colour.space_of(profile) is None


def test_curves_may_be_a_gamma_of_the_older_kind():
    """As in Adobe's own profile: `curv` with 8 bits behind the point."""
    curve = b"para" + bytes(8) + round(563 / 256 * 65536).to_bytes(4, "big")
    older = b"curv" + bytes(4) + (1).to_bytes(4, "big") + (563).to_bytes(2, "big") + bytes(2)
    assert ADOBE.count(curve) == 3
    first, second = (colour.space_of(each) for each in (ADOBE, ADOBE.replace(curve, older)))
    np.testing.assert_array_equal(first.light, second.light)


def test_any_bytes_are_a_profile_or_none(colours):
    generator = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(P3[: generator.integers(100, len(P3) + 1)])
        for place in generator.integers(128, max(129, len(changed)), 6):
            if place < len(changed):
                changed[place] = generator.integers(256)
        if space := colour.space_of(bytes(changed)):
            small = colours[:9]
            assert space.from_srgb(space.to_srgb(small), small).shape == small.shape
