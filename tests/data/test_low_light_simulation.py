"""What the simulation does to photos: darkness, noise, files, light."""

from __future__ import annotations

import io

import numpy as np
import pytest
from keras import ops
from PIL import Image

from drgn_tf.brightness import LUMA
from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data.low_light_simulation import PhotometricOptions
from drgn_tf.models.context import thumbnail

DIAGONAL = 16 * np.arange(16) + np.arange(16)


@pytest.fixture(scope="module")
def view(photo) -> np.ndarray:
    """Part of a real photo, float32 [96, 96, 3] in [0, 1]."""
    return photo[100:196, 150:246].astype(np.float32) / 255


def parameters(**changes) -> dict:
    """Values that leave a photo as it is, but for some."""
    plain = {"gamma": 1.0, "gain": 1.0, "photons": 1e12, "read_noise": 0.0, "cast": np.ones(3)}
    noise = {"noise_size": 0.0, "chroma_size": 0.0, "chroma_noise": 1.0}
    values = {**plain, **noise, **changes}
    return {name: np.float32(value) for name, value in values.items()}


# ---------------------------------------------------------------- local darkening


@pytest.fixture(scope="module")
def window_view() -> np.ndarray:
    """A dark room with a bright window whose edge lies in column 48, [96, 96, 3]."""
    image = np.full((96, 96, 3), 0.15, np.float32)
    image[:, 48:] = 0.85
    return image


@pytest.mark.parametrize("stops", [1.0, 3.0])
def test_what_is_dark_goes_down_by_the_stops_and_what_is_bright_stays(window_view, stops):
    before = np.asarray(simulation.srgb_to_linear(window_view))
    after = np.asarray(simulation.expose(window_view, parameters(stops=stops, threshold=0.4)))
    np.testing.assert_allclose(after[:, :40], before[:, :40] * 2.0**-stops, rtol=1e-3)
    np.testing.assert_allclose(after[:, 56:], before[:, 56:], rtol=1e-3)
    # The edge stays where it was, and as sharp: neither halo nor shadow beside it.
    factor = (after / before)[48, :, 0]
    assert factor[47] < 1.15 * 2.0**-stops and factor[48] > 0.85


def test_texture_does_not_part_what_is_dark(view):
    noise = np.random.default_rng(1).normal(0, 0.03, (96, 96, 1)).astype(np.float32)
    flat = np.clip(0.2 + noise, 0, 1) * np.ones(3, np.float32)
    before = np.asarray(simulation.srgb_to_linear(flat))
    after = np.asarray(simulation.expose(flat, parameters(stops=2.0, threshold=0.25)))
    # Single pixels reach beyond the threshold; their surroundings do not, and they decide.
    assert (flat > 0.25).any()
    factors = np.log2(after / before)
    assert factors.std() < 0.1


def test_no_stops_are_no_change(view):
    plain = np.asarray(simulation.expose(view, parameters()))
    for threshold in (0.0, 0.5, 1.0):
        local = simulation.expose(view, parameters(stops=0.0, threshold=threshold))
        np.testing.assert_allclose(local, plain, rtol=1e-6)


def test_the_thumbnail_is_darkened_like_the_photo(photo):
    whole = photo[:, 70:370].astype(np.float32) / 255
    drawn = parameters(gamma=1.4, stops=3.0, threshold=np.median(whole @ np.float32(LUMA)))
    dark = np.asarray(simulation.linear_to_srgb(simulation.expose(whole, drawn)))
    expected = np.asarray(thumbnail(dark[None], 32))[0]
    small = np.asarray(thumbnail(whole[None], 32))[0]
    returned = np.asarray(simulation.darken_thumbnail(small, drawn))
    # Half of it goes from 0.4 to below 0.1; in means the two may differ by a few levels.
    assert (small - expected).mean() > 0.1
    assert abs((returned - expected).mean()) < 0.02
    assert np.abs(returned - expected).mean() < 0.04


def test_lifted_shadows_are_brighter_and_the_rest_stays(window_view):
    lifted = simulation.lift(window_view, parameters(lift=1.0, threshold=0.4))
    before, after = (np.asarray(simulation.srgb_to_linear(x)) for x in (window_view, lifted))
    np.testing.assert_allclose(after[:, :40], 2 * before[:, :40], rtol=1e-3)
    np.testing.assert_allclose(after[:, 56:], before[:, 56:], rtol=1e-3)
    np.testing.assert_array_equal(simulation.lift(window_view, parameters()), window_view)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_photos_stay_finite(value):
    options = PhotometricOptions(local=1.0, local_lift=(1.0, 1.0), well_lit=0.5)
    flat = np.full((32, 32, 3), value, np.float32)
    for unit in (0.0, 0.4, 0.999):
        drawn = simulation.scale_parameters(
            options, np.full(simulation.DRAWS, unit, np.float32), flat
        )
        normal = np.random.default_rng(1).normal(size=(32, 32, 4)).astype(np.float32)
        assert np.isfinite(simulation.darken(flat, drawn, normal, options)).all()
        assert np.isfinite(simulation.lift(flat, drawn)).all()
        assert np.isfinite(simulation.darken_thumbnail(flat, drawn)).all()


# ---------------------------------------------------------------- noise


def noise(**changes) -> np.ndarray:
    """Noise of a flat grey photo with 0.25 of the light, of 400 photons, [192, 192, 3]."""
    light = np.full((192, 192, 3), 0.25, np.float32)
    normal = np.random.default_rng(7).normal(size=(192, 192, 4)).astype(np.float32)
    drawn = parameters(photons=400.0, read_noise=0.01, **changes)
    return np.asarray(simulation._noisy(light, drawn, normal)) - light


VARIANCE = 0.25 / 400 + 0.01**2


@pytest.mark.parametrize("size", [0.0, 0.2, 0.5, 1.0, 2.0, 4.0])
def test_variance_is_as_said_however_coarse_the_noise(size):
    made = noise(noise_size=size, chroma_size=size)
    assert np.isfinite(made).all()
    # 36,864 pixels of which a Gaussian window makes 1 + 4 pi size^2 one: independent they are
    # so many fewer, and a variance has the relative error (2 / count)^0.5. Four of them.
    count = 3 * 192**2 / (1 + 4 * np.pi * size**2)
    assert made.var() == pytest.approx(VARIANCE, rel=4 * np.sqrt(2 / count))
    # At the borders as well: windows that reach beyond are made up for.
    border = np.concatenate([made[:2].ravel(), made[:, :2].ravel()])
    assert border.var() == pytest.approx(VARIANCE, rel=0.5)


def test_noise_of_neighbours_is_alike_the_more_the_coarser():
    found = []
    for size in (0.0, 0.5, 1.0, 2.0):
        made = noise(noise_size=size, chroma_size=size)
        found.append(np.corrcoef(made[:, 1:].ravel(), made[:, :-1].ravel())[0, 1])
        # Of white noise blurred by a Gaussian, one pixel away.
        window = np.exp(-(np.arange(-16.0, 17.0) ** 2) / (2 * max(size, 1e-3) ** 2))
        expected = np.sum(window[1:] * window[:-1]) / np.sum(window**2)
        assert found[-1] == pytest.approx(expected, abs=0.04)
    assert abs(found[0]) < 0.02
    assert found == sorted(found)


def test_colour_noise_is_stronger_and_coarser_where_it_is_asked_for():
    plain, coloured = noise(), noise(chroma_noise=2.0, chroma_size=1.5)
    for made, factor in ((plain, 1.0), (coloured, 2.0)):
        grey = made.mean(-1)
        colour = made - grey[..., None]
        assert grey.var() == pytest.approx(VARIANCE / 3, rel=0.05)
        assert colour.var() == pytest.approx(factor**2 * VARIANCE * 2 / 3, rel=0.15)
    colour = coloured - coloured.mean(-1, keepdims=True)
    assert np.corrcoef(colour[1:].ravel(), colour[:-1].ravel())[0, 1] > 0.8


# ---------------------------------------------------------------- resizing


def test_resampling_at_step_one_changes_nothing(view):
    np.testing.assert_allclose(simulation.resample(view, 96, 1.0), view, atol=1e-6)


@pytest.mark.parametrize("step", [0.5, 0.7, 1.3, 2.0])
def test_resampling_keeps_means_places_and_range(view, step):
    size = int(96 / step)
    returned = np.asarray(simulation.resample(view, size, 96 / size))
    assert returned.shape == (size, size, 3)
    np.testing.assert_allclose(returned.mean((0, 1)), view.mean((0, 1)), atol=0.004)
    assert view.min() - 1e-6 <= returned.min() and returned.max() <= view.max() + 1e-6
    slope = np.broadcast_to(np.arange(96, dtype=np.float32)[None, :, None], (96, 96, 1))
    places = (np.arange(size) + 0.5) * 96 / size - 0.5
    inside = slice(2, -2)
    sampled = np.asarray(simulation.resample(slope, size, 96 / size))[0, :, 0]
    np.testing.assert_allclose(sampled[inside], places[inside], atol=0.26)


def test_beyond_the_photo_its_border_is_repeated(view):
    returned = np.asarray(simulation.resample(view, 120, 1.0))
    np.testing.assert_allclose(returned[:96, :96], view, atol=1e-6)
    np.testing.assert_allclose(returned[96:, :96], np.tile(view[-1:], (24, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.5, 0.8), (1.3, 2.0)])
@pytest.mark.parametrize("unit", [0.0, 0.999])
def test_every_photo_is_resized_to_its_own_size(view, scales, unit):
    """Also where all are smaller than the result, of which noise must still be enough."""
    options = PhotometricOptions(resize=0.5, resize_scale=scales, jpeg=0.5)
    drawn = simulation.scale_parameters(
        options, np.full(simulation.DRAWS, unit, np.float32), view[:16, :16]
    )
    assert bool(drawn["resized"]) == (unit < 0.5)
    side = simulation.largest_side(96, options)
    assert side == max(96, int(96 * scales[1]))
    normal = np.zeros((side, side, simulation.NOISE_CHANNELS), np.float32)
    low = np.asarray(simulation.darken(view, drawn, normal, options))
    assert low.shape == view.shape
    plain = np.asarray(simulation.linear_to_srgb(simulation.expose(view, drawn)))
    # Through half the size and JPEG of quality 30, but the same photo.
    assert abs((low - plain).mean()) < 0.01
    assert np.abs(low - plain).mean() < 0.05


def test_resized_files_lie_in_place(view):
    options = PhotometricOptions(resize=1.0, resize_scale=(0.8, 1.5))
    for unit in (0.0, 0.5, 0.999):
        drawn = simulation.file_parameters(options, np.full(simulation.DRAWS, unit, np.float32))
        saved = np.asarray(simulation.save_as_file(view, drawn, options))
        error = [
            np.abs(np.roll(saved, shift, axis=1)[4:-4, 4:-4] - view[4:-4, 4:-4]).mean()
            for shift in (-1, 0, 1)
        ]
        assert error[1] < 0.7 * min(error[0], error[2])


# ---------------------------------------------------------------- JPEG


def pillow_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file)).astype(np.float32)


def levels(image) -> np.ndarray:
    return 255 * np.asarray(image)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 100])
@pytest.mark.parametrize("kind", ["bright", "dark", "noisy"])
def test_jpeg_is_that_of_libjpeg_but_for_its_integer_arithmetic(photo, dark, quality, kind):
    part = (slice(100, 196), slice(150, 246))
    pixels = photo[part] if kind == "bright" else dark[part]
    if kind == "noisy":
        grain = np.random.default_rng(0).normal(0, 8, pixels.shape)
        pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    expected = pillow_jpeg(pixels, quality)
    returned = levels(simulation.jpeg(pixels.astype(np.float32) / 255, float(quality)))
    np.testing.assert_allclose(returned, np.rint(returned), atol=1e-4)
    # libjpeg rounds Y, Cb and Cr three times (converted, averaged, decoded): each time by 0.25 of
    # a level on average; where a coefficient thereby falls to the other side of a step, 64 pixels
    # differ by 1/8 of it. Below one level in all, and far below what JPEG itself changes.
    assert np.abs(returned - expected).mean() < 1.0
    assert np.abs(returned - expected).mean() < 0.5 * np.abs(expected - pixels).mean()
    assert abs((returned - expected).mean()) < 0.15


@pytest.mark.parametrize("shift", [0, 1, 16, *DIAGONAL[3::4], 255])
def test_blocks_begin_where_they_are_shifted_to(photo, shift):
    """A crop of a file is what the crop would be with its blocks so."""
    row, column = shift // 16, shift % 16
    whole = photo[80 : 80 + 96, 150 : 150 + 96]
    crop = whole[row : row + 64, column : column + 64]
    expected = pillow_jpeg(whole, 60)[row : row + 64, column : column + 64]
    returned = levels(simulation.jpeg(crop.astype(np.float32) / 255, 60.0, shift))
    # Blocks that are cut by the border know other pixels.
    inside = slice(16, 48)
    assert np.abs(returned - expected)[inside, inside].mean() < 1.0


@pytest.mark.parametrize("size", [8, 11, 24, 37])
def test_sizes_that_are_no_blocks(view, size):
    image = view[:size, :size]
    returned = simulation.jpeg(image, 90.0, 37)
    assert returned.shape == image.shape
    assert np.abs(levels(returned) - levels(image)).mean() < 6


def test_lower_quality_loses_more(view):
    errors = [
        np.abs(levels(simulation.jpeg(view, quality)) - levels(view)).mean()
        for quality in (1.0, 10.0, 49.9, 50.0, 80.0, 100.0)
    ]
    assert errors == sorted(errors, reverse=True)
    # Black is what any quality keeps.
    assert not np.any(simulation.jpeg(0 * view, 10.0))


def test_a_share_of_the_files_is_compressed(view):
    pixels = np.round(view * 255).astype(np.float32) / 255
    options = PhotometricOptions(jpeg=0.5)
    for unit, changed in ((0.1, True), (0.9, False)):
        drawn = simulation.file_parameters(options, np.full(simulation.DRAWS, unit, np.float32))
        saved = np.asarray(simulation.save_as_file(pixels, drawn, options))
        assert (np.abs(saved - pixels).max() > 0) == changed


# ---------------------------------------------------------------- light afterwards


FACTORS = [0.4, 0.9, 1.0, 1.3, 2.5]


@pytest.mark.parametrize("factor", FACTORS)
def test_relighting_keeps_the_order_and_the_range(factor):
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    relit = np.asarray(simulation.relight(values, ops.convert_to_tensor(np.float32(factor))))
    assert np.isfinite(relit).all() and relit.min() >= 0 and relit.max() <= 1
    assert (np.diff(relit) > (0 if factor < 1.01 else -1e-7)).all()
    assert relit[0] == 0
    # Dark values by the factor; white stays, unless all becomes darker.
    assert relit[1] / values[1] == pytest.approx(factor, rel=2e-3)
    assert relit[-1] == pytest.approx(min(factor, 1.0))
    if factor > 1:
        assert (relit >= values - 1e-6).all()


def test_a_factor_of_one_changes_nothing(view):
    np.testing.assert_array_equal(simulation.relight(view, np.float32(1.0)), view)


def test_values_above_white_by_a_rounding_stay_finite():
    above = np.float32([1.0, 1.0000001])
    np.testing.assert_allclose(simulation.relight(above, np.float32(1.7)), 1.0)


# ---------------------------------------------------------------- another backend


RUN = """
import sys
import jax
import numpy as np
from drgn_tf.data import low_light_simulation as simulation

inputs = np.load(sys.argv[1] + "/inputs.npz")
options = simulation.PhotometricOptions(
    colour=0.5, local=0.7, local_lift=(0.0, 1.0), noise_size=(0.0, 1.8), chroma_noise=(1.0, 2.0),
    jpeg=0.6, resize=0.5,
)

def sample(unit, normal):
    drawn = simulation.scale_parameters(options, unit, inputs["thumbnail"])
    photo = simulation.recolour(inputs["photo"], drawn)
    return (
        simulation.darken(photo, drawn, normal, options),
        simulation.relight(simulation.lift(photo, drawn), 2.0 * unit[24]),
    )

made = jax.jit(jax.vmap(sample))(inputs["units"], inputs["normals"])
np.savez(sys.argv[1] + "/results.npz", *made)
"""


def test_jax_makes_the_same_of_equal_numbers(on_jax, tmp_path, view):
    """Compiled, and of many samples at once, where every branch is taken."""
    options = PhotometricOptions(
        colour=0.5, local=0.7, local_lift=(0.0, 1.0), noise_size=(0.0, 1.8),
        chroma_noise=(1.0, 2.0), jpeg=0.6, resize=0.5,
    )  # fmt: skip
    generator = np.random.default_rng(3)
    side = simulation.largest_side(48, options)
    photo = view[:48, :48]
    inputs = {
        "photo": photo,
        "thumbnail": np.asarray(thumbnail(photo[None], 16))[0],
        "units": generator.random((6, simulation.DRAWS), np.float32),
        "normals": generator.normal(size=(6, side, side, 4)).astype(np.float32),
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    code, output = on_jax(RUN, tmp_path)
    assert code == 0, output
    other_low, other_high = np.load(tmp_path / "results.npz").values()
    for index in range(6):
        unit = inputs["units"][index]
        drawn = simulation.scale_parameters(options, unit, inputs["thumbnail"])
        recoloured = simulation.recolour(photo, drawn)
        low = simulation.darken(recoloured, drawn, inputs["normals"][index], options)
        high = simulation.relight(simulation.lift(recoloured, drawn), 2.0 * unit[24])
        # Rounding to levels and of coefficients falls to the other side where frameworks differ
        # in the last bit: seldom, and by little.
        assert np.abs(other_low[index] - low).mean() < 0.1 / 255
        np.testing.assert_allclose(other_high[index], high, atol=2e-5)


@pytest.mark.parametrize("photons", [200.0, 8000.0])
def test_noise_cut_off_at_black_brightens_the_thumbnail_too(photons):
    # In the middle of what is drawn down to; two levels of sRGB are left of this grey.
    options = PhotometricOptions(
        gamma=(3.5, 3.5), gain=(0.4, 0.4), cast=0.0, photons=(photons, photons),
        read_noise=(0.0, 0.0), chroma_noise=(2.5, 2.5),
    )  # fmt: skip
    grey = np.full((256, 256, 3), 0.45, np.float32)
    random = np.random.default_rng(1)
    unit = random.random(simulation.DRAWS, np.float32)
    parameters = simulation.scale_parameters(options, unit, grey[:32, :32])
    noise = random.standard_normal((256, 256, simulation.NOISE_CHANNELS), np.float32)
    photo = np.asarray(simulation.darken(grey, parameters, noise, options))
    dark = np.asarray(simulation.darken_thumbnail(grey[:32, :32], parameters))
    # Rounding to 8 bits moves a mean of 6 to 10 levels by some hundredths; without the noise the
    # thumbnail of 200 photons would be a quarter too dark.
    assert photo.mean() == pytest.approx(dark.mean(), rel=0.03)
