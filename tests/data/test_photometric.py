"""The darkening of normal-light photos: its values, its noise, its ranges."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.data import photometric
from drgn_tf.data.low_light_simulation import (
    PhotometricOptions,
    darken_thumbnail,
    expose,
    linear_to_srgb,
    srgb_to_linear,
)
from drgn_tf.models.context import thumbnail
from tests.tolerances import rounding

COLOURS = ("cast", "colour")
SCALARS = ("gamma", "gain", "photons", "read_noise")
# What is drawn beside, by the option that it is drawn for.
OTHERS = {
    "stops": "local_stops",
    "lift": "local_lift",
    "noise_size": "noise_size",
    "chroma_noise": "chroma_noise",
    "quality": "jpeg_quality",
    "quality_again": "jpeg_quality",
}
# So fine that rounding adds nothing to the noise.
FINE = 65535
# There and back between sRGB and linear light: two powers, which steepen errors up to 2.4 times.
POWERS = 2.4 * rounding(4)


def parameters(gamma=1.0, gain=1.0, photons=1e12, read_noise=0.0, cast=(1.0, 1.0, 1.0)) -> dict:
    """By default neither darker nor noisy: the noise of so many photons is far below a level."""
    values = {"gamma": gamma, "gain": gain, "photons": photons, "read_noise": read_noise}
    values |= {"noise_size": 0.0, "chroma_size": 0.0, "chroma_noise": 1.0}
    return {
        **{name: tf.constant(value, tf.float32) for name, value in values.items()},
        "cast": tf.constant(cast, tf.float32),
    }


def darken(photo, drawn: dict, seed, levels: int = 255):
    return photometric.darken(photo, drawn, seed, PhotometricOptions(levels=levels))


# Luma from black to white.
SLOPE = np.repeat(np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1), 3, axis=2)


def draw_parameters(options: PhotometricOptions, seed) -> dict:
    return photometric.draw_parameters(options, SLOPE, seed)


@functools.cache
def draws(options: PhotometricOptions, count: int = 600, seed: int = 3) -> dict:
    """Draws with many seeds, as arrays."""

    def draw(number):
        drawn = draw_parameters(options, tf.stack([seed, number]))
        return {name: tf.cast(value, tf.float32) for name, value in drawn.items()}

    signature = {name: tf.TensorSpec(x.shape, x.dtype) for name, x in draw(0).items()}
    draw_all = tf.function(lambda numbers: tf.map_fn(draw, numbers, fn_output_signature=signature))
    return {name: values.numpy() for name, values in draw_all(tf.range(count)).items()}


@pytest.fixture(scope="module")
def view(photo) -> np.ndarray:
    """Part of a real photo, float32 [96, 96, 3] in [0, 1]."""
    return photo[80:176, 150:246].astype(np.float32) / 255


# ---------------------------------------------------------------- sRGB


@pytest.mark.parametrize(
    ("encoded", "linear"),
    [(0.0, 0.0), (0.04045, 0.0031308), (0.2, 0.033105), (0.5, 0.214041), (1.0, 1.0)],
)
def test_srgb_by_hand(encoded, linear):
    assert float(srgb_to_linear(tf.constant(encoded))) == pytest.approx(linear, abs=POWERS)
    assert float(linear_to_srgb(tf.constant(linear))) == pytest.approx(encoded, abs=1e-5)


def test_srgb_round_trip():
    values = tf.linspace(0.0, 1.0, 4096)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=POWERS)
    np.testing.assert_allclose(srgb_to_linear(linear_to_srgb(values)), values, atol=POWERS)


def test_srgb_never_falls():
    values = tf.linspace(0.0, 1.0, 4096)
    assert np.diff(srgb_to_linear(values)).min() > 0
    assert np.diff(linear_to_srgb(values)).min() > 0


# ---------------------------------------------------------------- without noise


@pytest.mark.parametrize("gamma", [1.0, 1.7, 3.5])
def test_without_noise_darkening_is_the_power_in_8_bits(view, gamma):
    dark = darken(tf.constant(view), parameters(gamma), seed=[1, 2])
    exact = 255 * view.astype(np.float64) ** gamma
    # One level is lost only where rounding stands on the edge.
    assert np.abs(255 * dark - exact).max() < 0.502


def test_gain_scales_the_srgb_values(view):
    dark = darken(tf.constant(view), parameters(2.0, 0.4), seed=[1, 2])
    np.testing.assert_allclose(dark, 0.4 * view**2, atol=0.502 / 255)


def test_cast_scales_each_channel_in_linear_light(view):
    cast = (0.8, 1.0, 1.2)
    before = srgb_to_linear(tf.constant(0.7 * view**1.5))
    after = expose(tf.constant(view), parameters(1.5, 0.7, cast=cast))
    np.testing.assert_allclose(after, before * cast, rtol=1e-5)


def test_light_beyond_saturation_is_white(view):
    light = expose(tf.constant(view), parameters(cast=(1.0, 50.0, 1.0)))
    assert float(tf.reduce_max(light)) == 1.0


def test_black_stays_black():
    dark = darken(tf.zeros([32, 32, 3]), parameters(2.0, photons=1000.0), seed=[1, 2])
    np.testing.assert_array_equal(dark, np.zeros([32, 32, 3]))


# ---------------------------------------------------------------- noise


@pytest.mark.parametrize(
    ("level", "photons", "read_noise"),
    [(0.5, 1000.0, 0.0), (0.7, 200.0, 0.03), (0.5, 20000.0, 0.01), (0.3, 2000.0, 0.0)],
)
def test_noise_has_the_variance_of_photons_and_of_the_readout(level, photons, read_noise):
    side = 400
    flat = tf.fill([side, side, 3], level)
    noisy = darken(flat, parameters(1.5, 0.9, photons, read_noise), seed=[3, 4], levels=FINE)
    light = srgb_to_linear(noisy).numpy().astype(np.float64).ravel()

    expected = float(srgb_to_linear(tf.constant(0.9 * level**1.5)))
    variance = expected / photons + read_noise**2
    count = light.size
    assert light.mean() == pytest.approx(expected, abs=5 * np.sqrt(variance / count))
    error = variance * np.sqrt(2 / count)
    # Rounding to 16 bits moves single values by less than 1 % of the noise.
    assert light.var() == pytest.approx(variance, abs=5 * error + 0.002 * variance)


def test_darker_parts_are_noisier_in_proportion():
    """Signal to noise falls with the root of the light: why shadows are grainy."""
    ratios = []
    for level in (0.8, 0.4):
        flat = tf.fill([200, 200, 3], level)
        light = srgb_to_linear(darken(flat, parameters(photons=1000.0), [5, 6], FINE)).numpy()
        ratios.append(light.mean() / light.std() / np.sqrt(light.mean()))
    assert ratios[0] == pytest.approx(ratios[1], rel=0.02)
    assert ratios[0] == pytest.approx(np.sqrt(1000.0), rel=0.02)


def test_noise_of_neighbours_and_channels_is_independent():
    flat = tf.fill([200, 200, 3], 0.5)
    noisy = darken(flat, parameters(photons=500.0, read_noise=0.02), [7, 8], FINE).numpy()
    red, green, blue = np.moveaxis(noisy, -1, 0)
    pairs = [(red, green), (green, blue), (red[1:], red[:-1]), (red[:, 1:], red[:, :-1])]
    for first, second in pairs:
        # The standard deviation of the correlation is 0.005.
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.025


def test_noise_is_a_function_of_the_seed(view):
    drawn = parameters(2.0, photons=1000.0, read_noise=0.001)
    first = darken(tf.constant(view), drawn, seed=[1, 2])
    tf.random.set_seed(9)
    np.testing.assert_array_equal(darken(tf.constant(view), drawn, seed=[1, 2]), first)
    for other in ([1, 3], [2, 2]):
        assert (darken(tf.constant(view), drawn, seed=other).numpy() != first.numpy()).mean() > 0.2


def test_noise_is_the_same_inside_a_graph(view):
    drawn = parameters(2.0, photons=1000.0, read_noise=0.001)
    inside = tf.function(darken)(tf.constant(view), drawn, tf.constant([1, 2]))
    outside = darken(tf.constant(view), drawn, tf.constant([1, 2]))
    levels = 255 * np.abs(inside - outside)
    # A value that stands on the edge between two levels may be rounded to either side.
    assert levels.max() < 1.01 and (levels > 0.01).mean() < 1e-3


# ---------------------------------------------------------------- output


@pytest.mark.parametrize("levels", [255, 15])
@pytest.mark.parametrize(
    "drawn",
    [
        parameters(1.5, photons=1000.0, read_noise=0.001),
        parameters(1.0, photons=1.0, read_noise=0.5, cast=(2.0, 1.0, 0.5)),
        parameters(3.5, 0.4, photons=1000.0),
    ],
    ids=["usual", "nothing but noise", "dark"],
)
def test_output_is_in_range_and_in_steps(view, drawn, levels):
    dark = darken(tf.constant(view), drawn, seed=[1, 2], levels=levels).numpy()
    assert dark.dtype == np.float32 and dark.shape == view.shape
    assert np.isfinite(dark).all() and dark.min() >= 0 and dark.max() <= 1
    np.testing.assert_allclose(dark * levels, np.rint(dark * levels), atol=1e-4)


def test_default_ranges_darken_every_photo(view):
    for number in range(20):
        drawn = draw_parameters(PhotometricOptions(), [number, 0])
        dark = darken(tf.constant(view), drawn, seed=[number, 1]).numpy()
        assert 0.01 < dark.mean() < 0.9 * view.mean()


# ---------------------------------------------------------------- thumbnails


@pytest.mark.parametrize("level", [0.15, 0.5, 0.9])
def test_darkened_thumbnail_of_a_flat_photo_is_the_thumbnail_of_the_darkened_photo(level):
    flat = tf.fill([256, 256, 3], level)
    drawn = parameters(1.8, 0.8, 5000.0, 0.001, cast=(0.95, 1.0, 1.05))
    dark = darken(flat, drawn, seed=[1, 2])[tf.newaxis]
    expected = thumbnail(dark, size=16)[0]
    returned = darken_thumbnail(thumbnail(flat[tf.newaxis], size=16)[0], drawn)
    assert returned.shape == (16, 16, 3)
    # Each pixel of the thumbnail sees few pixels of the photo, so their noise remains in part.
    np.testing.assert_allclose(returned, expected, atol=0.02)
    np.testing.assert_allclose(np.mean(returned, (0, 1)), np.mean(expected, (0, 1)), atol=0.6 / 255)


def test_darkened_thumbnail_of_a_real_photo_is_close(photo):
    """Averages and powers do not commute, but nearly: the thumbnail must tell the exposure."""
    whole = photo[np.newaxis, :, 70:370].astype(np.float32) / 255
    drawn = parameters(2.5, 0.8, 2000.0, 0.001, cast=(0.95, 1.0, 1.05))
    expected = thumbnail(darken(tf.constant(whole[0]), drawn, seed=[1, 2])[tf.newaxis], size=16)[0]
    returned = darken_thumbnail(thumbnail(whole, size=16)[0], drawn)
    assert np.abs(returned - expected).mean() < 0.01


# ---------------------------------------------------------------- ranges


WIDE = PhotometricOptions(
    gamma=(1.5, 3.5), gain=(0.4, 1.0), cast=0.3, photons=(100.0, 10000.0), read_noise=(0.01, 0.05),
    colour=0.6, local_stops=(1.0, 5.0), local_lift=(0.5, 1.5), local_quantile=(0.3, 0.8),
    noise_size=(0.2, 1.8), chroma_noise=(1.0, 2.5), jpeg_quality=(30.0, 95.0),
    resize_scale=(0.7, 1.6),
)  # fmt: skip


@pytest.mark.parametrize("name", ["gamma", "gain", "read_noise"])
def test_draws_cover_their_range_uniformly(name):
    lowest, highest = getattr(WIDE, name)
    unit = (draws(WIDE)[name] - lowest) / (highest - lowest)
    assert_uniform(unit)


def test_photons_cover_their_range_uniformly_on_a_logarithmic_scale():
    lowest, highest = WIDE.photons
    assert_uniform(np.log(draws(WIDE)["photons"] / lowest) / np.log(highest / lowest))


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("channel", range(3))
def test_colours_cover_their_range_uniformly_on_a_logarithmic_scale(channel, name):
    logarithms = np.log(draws(WIDE)[name][:, channel]) / getattr(WIDE, name)
    # A cast goes up and down, a colour only down.
    assert_uniform((logarithms + 1) / 2 if name == "cast" else -logarithms)


# Darkened locally, all of them.
LOCAL = dataclasses.replace(WIDE, local=1.0)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_drawn_beside_covers_its_range_uniformly(name):
    lowest, highest = getattr(LOCAL, OTHERS[name])
    assert_uniform((draws(LOCAL)[name] - lowest) / (highest - lowest))


def test_colour_noise_is_up_to_three_times_as_coarse():
    drawn = draws(WIDE)
    assert_uniform((drawn["chroma_size"] / drawn["noise_size"] - 1) / 2)


def test_sizes_before_resizing_cover_their_range_uniformly_on_a_logarithmic_scale():
    lowest, highest = WIDE.resize_scale
    assert_uniform(np.log(draws(WIDE)["resize_scale"] / lowest) / np.log(highest / lowest))


def test_dark_begins_below_a_quantile_of_the_photo():
    lowest, highest = LOCAL.local_quantile
    # Quantiles of a slope from black to white are its values, and 255 steps come close enough.
    thresholds = draws(dataclasses.replace(LOCAL, colour=0.0))["threshold"]
    assert lowest - 1 / 255 <= thresholds.min() and thresholds.max() <= highest
    assert_uniform((thresholds + 0.5 / 255 - lowest) / (highest - lowest), slack=0.01)


def test_blocks_begin_at_any_of_256_places():
    shifts = draws(WIDE)["block_shift"]
    assert shifts.min() >= 0 and shifts.max() <= 255
    np.testing.assert_array_equal(shifts, np.floor(shifts))
    assert_uniform((shifts + 0.5) / 256)


SHARES = dataclasses.replace(WIDE, jpeg=0.4, resize=0.25, local=0.6)


@pytest.mark.parametrize(
    ("name", "share"), [("jpeg", 0.4), ("jpeg_again", 0.2), ("resized", 0.25), ("stops", 0.6)]
)
def test_shares_are_respected(name, share):
    drawn = draws(SHARES)[name] > 0
    # Four standard deviations of a binomial share.
    assert drawn.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 600))


def test_local_darkening_takes_from_the_global():
    drawn = draws(SHARES)
    local = drawn["stops"] > 0
    assert (drawn["lift"][~local] == 0).all() and (drawn["lift"][local] >= 0.5).all()
    assert drawn["gamma"][~local].min() >= 1.5 and drawn["gain"][~local].min() >= 0.4
    # From none to full: half of it on average.
    weaker, full = (drawn["gamma"][of].mean() - 1 for of in (local, ~local))
    assert weaker == pytest.approx(full / 2, rel=0.15)
    assert 1 <= drawn["gamma"][local].min() < 1.2 and drawn["gain"][local].max() <= 1


def test_without_local_darkening_nothing_is_computed_for_it():
    assert not {"stops", "lift", "threshold"} & draws(WIDE).keys()


def assert_uniform(unit, slack: float = 1e-5) -> None:
    assert unit.min() >= -slack and unit.max() <= 1 + slack
    counts = np.histogram(unit, bins=10, range=(0, 1))[0]
    # 60 expected in each tenth; the standard deviation is 7.3.
    assert counts.min() > 25 and counts.max() < 95


def test_parameters_are_drawn_independently():
    drawn = draws(WIDE)
    columns = [drawn["gamma"], drawn["gain"], np.log(drawn["photons"]), drawn["read_noise"]]
    columns += [channel for name in COLOURS for channel in np.log(drawn[name]).T]
    correlations = np.corrcoef(columns)
    # The standard deviation of a correlation is 0.04.
    assert np.abs(correlations - np.eye(len(columns))).max() < 0.2


def test_equal_seeds_draw_equal_values_and_others_differ():
    first, other = draws(WIDE, seed=3), draws(WIDE, seed=4)
    for name in (*SCALARS, *COLOURS):
        values = first[name]
        single = draw_parameters(WIDE, [3, 17])[name]
        # Exponentials of up to ln 1e4, to which relative errors are added.
        np.testing.assert_allclose(single, values[17], rtol=rounding(magnitude=np.log(1e4)))
        assert (values != other[name]).all()
        assert len(np.unique(values)) > 0.99 * values.size


def test_range_of_one_value_is_that_value():
    fixed = PhotometricOptions(
        gamma=(2.0, 2.0), gain=(0.5, 0.5), cast=0.0, photons=(500.0, 500.0), read_noise=(0.0, 0.0)
    )
    drawn = draw_parameters(fixed, [1, 2])
    assert [float(drawn[name]) for name in ("gamma", "gain", "read_noise")] == [2.0, 0.5, 0.0]
    assert float(drawn["photons"]) == pytest.approx(500.0)
    np.testing.assert_array_equal(drawn["cast"], np.ones(3))


WELL_LIT = dataclasses.replace(WIDE, well_lit=0.25)


def test_a_share_of_the_photos_stays_as_it_is(view):
    drawn = draws(WELL_LIT)
    kept = drawn["gamma"] == 1.0
    # The standard deviation of the share is 0.018.
    assert kept.mean() == pytest.approx(0.25, abs=0.07)
    for index in np.flatnonzero(kept)[:3]:
        one = {name: tf.constant(values[index]) for name, values in drawn.items()}
        same = darken(tf.constant(view), one, seed=[1, 2])
        np.testing.assert_allclose(same, view, atol=POWERS)
        kept_view = darken_thumbnail(view[:16, :16], one)
        np.testing.assert_allclose(kept_view, view[:16, :16], atol=POWERS)


def test_the_other_photos_are_darkened_as_ever():
    drawn = draws(WELL_LIT)
    lowest, highest = WIDE.gamma
    gamma = drawn["gamma"][drawn["gamma"] != 1.0]
    unit = (gamma - lowest) / (highest - lowest)
    assert unit.min() >= 0 and unit.max() <= 1
    counts = np.histogram(unit, bins=10, range=(0, 1))[0]
    # 45 expected in each tenth; the standard deviation is 6.3.
    assert counts.min() > 15 and counts.max() < 75


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gamma": (0.5, 2.0)}, r"gamma must be a range lowest,highest from 1 up, not 0\.5,2"),
        ({"gamma": (3.0, 2.0)}, r"gamma must be a range.*not 3,2"),
        ({"gain": (-0.1, 1.0)}, r"gain must be a range.*from 0 to 1, not -0\.1,1"),
        ({"gain": (0.0, 1.0)}, r"gain must lie above 0"),
        ({"gain": (0.5, 1.5)}, r"gain must be a range.*from 0 to 1, not 0\.5,1\.5"),
        ({"photons": (0.0, 100.0)}, r"photons must be a range.*from 1 up, not 0,100"),
        ({"photons": (200.0, 100.0)}, r"photons must be a range.*not 200,100"),
        ({"read_noise": (-0.1, 0.1)}, r"read_noise must be a range.*from 0 up, not -0\.1,0\.1"),
        ({"cast": -0.1}, r"cast must lie in \[0, 1\], not -0\.1"),
        ({"cast": 1.5}, r"cast must lie in \[0, 1\], not 1\.5"),
        ({"well_lit": -0.1}, r"well_lit must be a share from 0 to below 1, not -0\.1"),
        ({"well_lit": 1.0}, r"well_lit must be a share.*not 1"),
        ({"well_lit": float("nan")}, r"well_lit must be a share.*not nan"),
        ({"local_stops": (-1.0, 2.0)}, r"local_stops must be.*from 0 to 16, not -1,2"),
        ({"local_lift": (0.0, 5.0)}, r"local_lift must be.*from 0 to 4, not 0,5"),
        ({"local_quantile": (0.3, 1.1)}, r"local_quantile must be.*from 0 to 1, not 0\.3,1\.1"),
        ({"noise_size": (0.0, 5.0)}, r"noise_size must be.*from 0 to 4, not 0,5"),
        ({"chroma_noise": (2.0, 1.0)}, r"chroma_noise must be.*from 0 to 16, not 2,1"),
        ({"jpeg_quality": (0.0, 90.0)}, r"jpeg_quality must be.*from 1 to 100, not 0,90"),
        ({"resize_scale": (0.4, 1.0)}, r"resize_scale must be.*from 0\.5 to 2, not 0\.4,1"),
        ({"resize_scale": (1.0, float("nan"))}, r"resize_scale must be.*not 1,nan"),
        ({"local": 1.1}, r"local must lie in \[0, 1\], not 1\.1"),
        ({"jpeg": -0.1}, r"jpeg must lie in \[0, 1\], not -0\.1"),
        ({"resize": float("nan")}, r"resize must lie in \[0, 1\], not nan"),
        ({"levels": 0}, r"levels must be positive, not 0"),
        ({"gamma": (float("nan"), 2.0)}, r"gamma must be a range.*not nan,2"),
        ({"gain": (0.5, float("nan"))}, r"gain must be a range.*not 0\.5,nan"),
        ({"colour": 1.5}, r"colour must lie in \[0, 1\], not 1\.5"),
        ({"cast": float("nan")}, r"cast must lie in \[0, 1\], not nan"),
        ({"photons": (1000.0, float("inf"))}, r"photons must be.*not 1000,inf"),
        ({"gamma": (2.0, float("inf"))}, r"gamma must be.*not 2,inf"),
        ({"read_noise": (0.0, float("inf"))}, r"read_noise must be.*not 0,inf"),
    ],
)
def test_ranges_that_make_no_sense_are_named(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        PhotometricOptions(**values)
    assert str(caught.value).startswith("photometric ")
