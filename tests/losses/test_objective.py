"""What the players minimise: which terms there are, what they are worth, whom they move."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.brightness import DARKEST
from drgn_tf.losses import (
    LossOptions,
    charbonnier,
    for_model,
    gaussian_kl,
    low_frequencies,
    mean_difference,
    objective,
    scale_to_gt_mean,
    ssim_loss,
    synthesize_low_light,
    term_names,
)
from drgn_tf.models import DRGN, Discriminator, preset
from tests.tolerances import BLOCK, network_rounding, rounding

IMAGES = {"degradation", "base", "enhanced"}
VALUES = {"brightness", "predicted_brightness"}
RESTORATION = {"content", "ssim", "base", "smoothness"}
REAL = RESTORATION | {"brightness"}
SYNTHETIC = {"synthetic_content", "synthetic_ssim", "synthetic_base", "synthetic_smoothness"}
LOW = {"adversarial_low", "discriminator_low"}
DEGRADATION = {"adversarial_degradation", "discriminator_degradation"}
EVERYTHING = REAL | SYNTHETIC | LOW | DEGRADATION | {"kl"}


@pytest.fixture(scope="module")
def model() -> DRGN:
    keras.utils.set_random_seed(1)
    made = DRGN(preset("tiny", branch_blocks=0, fusion_blocks=0))
    made.build()
    return made


@pytest.fixture(scope="module")
def batch(model, photo, low_photo) -> dict[str, np.ndarray]:
    high = photo[np.newaxis].astype(np.float32) / 255

    def crops(image, *places):
        return np.concatenate([image[:, y : y + 32, x : x + 32] for y, x in places])

    return {
        "low": crops(low_photo, (60, 60), (200, 300)),
        "high": crops(high, (60, 60), (200, 300)),
        "thumbnail": np.repeat(model.thumbnail(low_photo), 2, axis=0),
        "brightness": np.full(2, high.mean(), np.float32),
        "normal": crops(high, (130, 10), (20, 400)),
        "normal_thumbnail": np.repeat(model.thumbnail(high), 2, axis=0),
        "normal_brightness": np.full(2, high.mean(), np.float32),
    }


def new_discriminators(options: LossOptions, **arguments) -> dict[str, Discriminator]:
    """The same ones on every call: a forward pass moves their spectral norms."""
    keras.utils.set_random_seed(2)
    made = {name: Discriminator(**arguments) for name in options.adversarial_weights}
    for discriminator in made.values():
        discriminator.build()
    return made


@pytest.fixture(scope="module")
def play(model, batch):
    """A function from options and ramp to the result of `objective`, as arrays."""

    def run(options=LossOptions(), ramp=1.0):
        discriminators = new_discriminators(options, widths=(4, 8))
        loss, discriminator_loss, terms, images = objective(
            model, discriminators, batch, options, ramp
        )
        return (
            float(loss),
            float(discriminator_loss),
            {name: float(value) for name, value in terms.items()},
            {name: np.asarray(image) for name, image in images.items()},
        )

    return run


# ---------------------------------------------------------------- which terms


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, EVERYTHING),
        ({"content_weight": 0}, EVERYTHING - {"content", "synthetic_content"}),
        ({"ssim_weight": 0}, EVERYTHING - {"ssim", "synthetic_ssim"}),
        ({"gradient_weight": 1}, EVERYTHING | {"gradient", "synthetic_gradient"}),
        ({"spectral_weight": 1}, EVERYTHING | {"spectral", "synthetic_spectral"}),
        ({"chroma_weight": 1}, EVERYTHING | {"chroma", "synthetic_chroma"}),
        ({"base_weight": 0}, EVERYTHING - {"base", "synthetic_base"}),
        ({"brightness_weight": 0}, EVERYTHING - {"brightness"}),
        ({"kl_weight": 0}, EVERYTHING - {"kl"}),
        ({"adversarial_low_weight": 0}, EVERYTHING - LOW),
        ({"adversarial_degradation_weight": 0}, EVERYTHING - DEGRADATION),
        (
            {"adversarial_low_weight": 0, "adversarial_degradation_weight": 0, "kl_weight": 0},
            REAL | SYNTHETIC,
        ),
    ],
)
def test_a_weight_of_zero_leaves_the_term_out(play, changes, terms):
    options = LossOptions(**changes)
    _, discriminator_loss, reported, _ = play(options)
    assert set(reported) == terms
    assert sorted(term_names(options, synthetic=True)) == sorted(terms)
    assert (discriminator_loss > 0) == bool(options.adversarial_weights)


@pytest.mark.parametrize("changes", [{}, {"content_weight": 0}, {"ssim_weight": 0}])
def test_without_ramp_there_is_no_synthetic_path(play, changes):
    options = LossOptions(**changes)
    _, discriminator_loss, reported, images = play(options, ramp=None)
    assert sorted(reported) == sorted(term_names(options, synthetic=False))
    assert set(reported) <= REAL
    assert set(images) == IMAGES | VALUES
    assert discriminator_loss == 0


def test_without_ramp_neither_normal_photos_nor_discriminators_are_needed(model, batch):
    needed = {name: batch[name] for name in ("low", "high", "thumbnail", "brightness")}
    loss = objective(model, {}, needed, LossOptions())[0]
    assert np.isfinite(loss)


def test_a_synthetic_weight_of_zero_turns_all_that_depends_on_the_path_off(play):
    options = LossOptions(synthetic_weight=0)
    assert not options.synthetic
    assert options.adversarial_weights == {}
    _, discriminator_loss, reported, _ = play(options, ramp=1.0)
    assert set(reported) == REAL
    assert set(term_names(options, synthetic=True)) == REAL
    assert discriminator_loss == 0


def test_adversarial_weights_name_the_discriminators_that_are_used():
    assert LossOptions().adversarial_weights == {"low": 1e-3, "degradation": 1e-3}
    assert LossOptions(adversarial_low_weight=0).adversarial_weights == {"degradation": 1e-3}


# ---------------------------------------------------------------- their values


def test_terms_are_the_weighted_losses_of_the_images(play, batch):
    options = LossOptions(content_weight=2.0, ssim_weight=0.3, synthetic_weight=0.7, kl_weight=0.05)
    _, _, terms, images = play(options, ramp=0.25)
    real = images["enhanced"], batch["high"]
    made = images["synthetic_enhanced"], batch["normal"]
    degradations = images["degradation"], images["synthetic_degradation"]
    # In powers of two.
    distance = np.abs(np.log2(images["predicted_brightness"][:, 0] / batch["brightness"])).mean()
    expected = {
        "content": 2.0 * charbonnier(*real),
        "ssim": 0.3 * ssim_loss(*real),
        "synthetic_content": 0.25 * 0.7 * 2.0 * charbonnier(*made),
        "synthetic_ssim": 0.25 * 0.7 * 0.3 * ssim_loss(*made),
        "kl": 0.25 * 0.05 * gaussian_kl(*degradations),
        "base": 0.1 * mean_difference(images["base"], batch["high"]),
        "brightness": 0.3 * distance,
    }
    for name, value in expected.items():
        assert terms[name] == pytest.approx(float(value), rel=1e-4), name


def test_smoothness_is_the_detail_of_the_degradation_alone(play):
    _, _, terms, images = play(LossOptions(smoothness_weight=2.0), ramp=None)
    degradation = np.asarray(images["degradation"])
    detail = np.abs(degradation - np.asarray(low_frequencies(degradation, 4)))
    # What is constant costs nothing.
    assert detail.mean() < 0.8 * np.abs(degradation).mean()
    assert terms["smoothness"] == pytest.approx(2 * detail.mean(), rel=1e-4)


def test_a_wrong_brightness_counts_by_the_rest_of_the_share_only(play, batch):
    reference = batch["high"]
    scaled = scale_to_gt_mean(0.7 * reference, reference)
    # Two means, of which each is off.
    np.testing.assert_allclose(scaled, reference, atol=2 * rounding(BLOCK))
    # Within limits, or a black image would become anything.
    dark = scale_to_gt_mean(0.001 * reference, reference)
    np.testing.assert_allclose(dark, 0.0025 * reference, atol=1e-6)
    # As a new network may give them: no NaN, and brighter rather than darker.
    black = np.zeros_like(reference)
    np.testing.assert_array_equal(scale_to_gt_mean(black, black), black)
    np.testing.assert_allclose(scale_to_gt_mean(-0.01 + black, 0.5 + black), -0.025, rtol=1e-6)

    _, _, terms, images = play(LossOptions(gt_mean_share=0.75), ramp=None)
    enhanced = images["enhanced"]
    scaled = scale_to_gt_mean(enhanced, reference)
    expected = 0.25 * charbonnier(enhanced, reference) + 0.75 * charbonnier(scaled, reference)
    assert terms["content"] == pytest.approx(float(expected), rel=1e-4)
    dissimilarity = float(ssim_loss(scaled, reference))
    assert terms["ssim"] == pytest.approx(0.1 * dissimilarity, rel=1e-4)


def test_something_must_tell_how_bright_to_be():
    with pytest.raises(ValueError, match=r"gt_mean_share must be below 1"):
        LossOptions(gt_mean_share=1.0)


def test_discriminators_are_as_wide_as_the_options_say():
    assert LossOptions(discriminator_width=16).discriminator_widths == (16, 32, 64, 128)


@pytest.mark.parametrize("field", ["discriminator_width", "synthetic_blur"])
def test_sizes_of_less_than_one_are_named(field):
    with pytest.raises(ValueError, match=f"{field} must be at least 1, not 0"):
        LossOptions(**{field: 0})


def test_the_generators_minimise_all_but_the_discriminators_terms(play):
    loss, discriminator_loss, terms, _ = play(ramp=0.6)
    judged = {name for name in terms if name.startswith("discriminator")}
    assert loss == pytest.approx(sum(terms[name] for name in terms.keys() - judged), rel=1e-5)
    assert discriminator_loss == pytest.approx(sum(terms[name] for name in judged), rel=1e-5)


def test_ramp_scales_what_depends_on_the_synthetic_path(play):
    _, _, full, _ = play(ramp=1.0)
    _, _, part, _ = play(ramp=0.25)
    for name, value in full.items():
        ramped = name not in REAL and not name.startswith("discriminator")
        assert part[name] == pytest.approx((0.25 if ramped else 1.0) * value, rel=1e-5), name


def test_adversarial_weights_scale_the_generators_side_only(play):
    _, _, once, _ = play(LossOptions(adversarial_low_weight=0.1))
    _, _, twice, _ = play(LossOptions(adversarial_low_weight=0.2))
    assert twice["adversarial_low"] == pytest.approx(2 * once["adversarial_low"], rel=1e-5)
    assert twice["discriminator_low"] == pytest.approx(once["discriminator_low"], rel=1e-5)


def test_real_is_what_was_photographed_and_fake_what_was_made(model, batch):
    """A discriminator that knows them by sight has nothing left to minimise."""

    def knows(real, fake):
        def logits(images, training):
            assert len(images) == len(real) + len(fake)
            seen = [any(np.allclose(image, one, atol=1e-6) for one in real) for image in images]
            unseen = [any(np.allclose(image, one, atol=1e-6) for one in fake) for image in images]
            np.testing.assert_array_equal(seen, np.logical_not(unseen))
            return tf.constant(np.where(seen, 30.0, -30.0)[:, np.newaxis], tf.float32)

        return logits

    options = LossOptions()
    images = objective(model, new_discriminators(options, widths=(4,)), batch, options, 1.0)[3]
    experts = {
        "low": knows(batch["low"], images["synthetic_low"]),
        "degradation": knows(images["degradation"], images["synthetic_degradation"]),
    }
    _, loss, terms, _ = objective(model, experts, batch, options, 1.0)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert float(terms["adversarial_low"]) == pytest.approx(30 * 1e-3, rel=1e-4)


# ---------------------------------------------------------------- brightness, and the base


def test_mean_difference_sees_means_alone():
    references = np.random.default_rng(1).random((2, 8, 8, 3)).astype(np.float32)
    images = references[:, ::-1] + np.float32([0.1, 0, -0.2])
    assert float(mean_difference(images, references)) == pytest.approx(0.1, abs=1e-6)


def test_the_base_loss_moves_the_mean_of_the_degradation(model, batch):
    options = LossOptions(base_weight=1.0)
    with tf.GradientTape(persistent=True) as tape:
        _, _, terms, images = objective(model, {}, batch, options)
    # The base is darker than the reference: DeG is to take away more of what is below it.
    assert (np.mean(images["base"] - batch["high"], (1, 2)) < 0).all()
    gradient = tape.gradient(terms["base"], images["degradation"]).numpy()
    assert (gradient > 0).all() and np.ptp(gradient) < 1e-9
    # In a new network the last bias of DeG is the mean of each channel.
    bias = model.degradation_generator.to_image.bias
    assert (tape.gradient(terms["base"], bias.value).numpy() > 0).all()
    weights = [v.value for v in model.refinement_generator.trainable_variables]
    assert all(found is None for found in tape.gradient(terms["base"], weights))


def test_the_network_is_told_the_brightness_of_the_references(play, batch):
    _, _, _, images = play()
    np.testing.assert_allclose(images["brightness"][:, 0], batch["brightness"], rtol=1e-5)


def test_a_black_reference_is_as_dark_as_can_be_told(model, batch):
    black = {**batch, "high": 0 * batch["high"], "brightness": np.zeros(2, np.float32)}
    loss, _, _, images = objective(model, {}, black, LossOptions())
    np.testing.assert_allclose(images["brightness"], DARKEST, rtol=1e-5)
    assert np.isfinite(loss)


def test_the_predicted_brightness_is_learnt(batch):
    keras.utils.set_random_seed(4)
    model = DRGN(preset("tiny", branch_blocks=0, fusion_blocks=0))
    model.build()
    # A dark photo and a bright one, to become a bright and a dark one.
    thumbnails = batch["thumbnail"] * np.float32([0.5, 1.5]).reshape(2, 1, 1, 1)
    told = {**batch, "thumbnail": thumbnails, "brightness": np.float32([0.6, 0.3])}
    variables = [
        *model.brightness_predictor.trainable_variables,
        *model.context_encoder.trainable_variables,
    ]
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            _, _, terms, _ = objective(model, {}, told, LossOptions())
        found = tape.gradient(terms["brightness"], [v.value for v in variables])
        optimizer.apply(found, variables)
        return terms["brightness"]

    errors = [float(step()) for _ in range(60)]
    assert errors[0] > 0.1
    assert errors[-1] < 0.2 * errors[0]
    np.testing.assert_allclose(model.predicted_brightness(None, thumbnails)[:, 0], [0.6, 0.3], 0.1)


def test_a_network_is_not_asked_for_what_it_has_not(batch):
    options = LossOptions()
    assert for_model(options, preset("tiny")) == options
    untold = preset("tiny", brightness=False)
    one_step = preset("tiny", two_step=False)
    assert for_model(options, untold).brightness_weight == 0
    assert for_model(options, untold).base_weight == options.base_weight
    assert not for_model(options, one_step).synthetic
    keras.utils.set_random_seed(6)
    for changed, terms in ((untold, RESTORATION), (one_step, REAL - {"base", "smoothness"})):
        network = DRGN(changed)
        network.build()
        possible = for_model(options, changed)
        judges = new_discriminators(possible, widths=(4,))
        loss, _, reported, _ = objective(network, judges, batch, possible, 1.0)
        assert np.isfinite(loss)
        assert terms <= set(reported)
        assert ("brightness" in reported) == changed.brightness


# ---------------------------------------------------------------- the synthetic path


@pytest.mark.parametrize(("size", "block"), [((32, 32), 8), ((32, 48), 16), ((30, 37), 7)])
def test_low_frequencies_keep_means_and_lose_detail(photo, size, block):
    images = photo[np.newaxis, 60 : 60 + size[0], 60 : 60 + size[1]].astype(np.float32) / 255
    noise = np.random.default_rng(2).normal(0, 0.1, images.shape).astype(np.float32)
    low, noisy = (np.asarray(low_frequencies(x, block)) for x in (images, images + noise))
    assert low.shape == images.shape
    np.testing.assert_allclose(low.mean((1, 2)), images.mean((1, 2)), atol=0.02)
    # The mean of block^2 values has the variance of one over block^2, interpolation lessens it.
    assert (noisy - low).std() < 1.1 * 0.1 / block
    slope = np.broadcast_to(np.linspace(0, 1, size[1])[None, None, :, None], (1, *size, 3))
    returned = np.asarray(low_frequencies(slope.astype(np.float32), block))
    inside = slice(block, -block)
    assert np.abs(returned - slope)[:, :, inside].max() < block / size[1]


def test_low_frequencies_of_flat_images_and_of_blocks_of_one_pixel():
    flat = np.full((1, 12, 20, 3), 0.3, np.float32)
    np.testing.assert_allclose(low_frequencies(flat, 5), flat, atol=1e-6)
    images = np.random.default_rng(2).random((1, 12, 20, 3)).astype(np.float32)
    np.testing.assert_array_equal(low_frequencies(images, 1), images)
    # Never one block for the whole image.
    np.testing.assert_array_equal(low_frequencies(images, 6), low_frequencies(images, 100))
    assert np.ptp(low_frequencies(images, 100)) > 0


def test_synthetic_low_light_is_the_normal_photo_darkened_and_clipped():
    normal = np.float32([0.1, 0.5, 0.9]).reshape(1, 1, 1, 3)
    darker = synthesize_low_light(normal, np.float32([-0.3, -0.3, 0.3]))
    np.testing.assert_allclose(darker.numpy().ravel(), [0.0, 0.5 - 0.3, 1.0], rtol=1e-6)


def test_synthetic_low_light_stays_differentiable():
    normal = tf.constant([[0.1, 0.5, 0.9]])
    degradations = tf.constant([[-0.3, -0.3, -0.2]])
    with tf.GradientTape() as tape:
        tape.watch(degradations)
        total = tf.reduce_sum(synthesize_low_light(normal, degradations))
    # Clipped values are the only ones without.
    np.testing.assert_array_equal(tape.gradient(total, degradations), [[0.0, 1.0, 1.0]])


def test_the_synthetic_pair_goes_through_the_same_networks(play, model, batch):
    _, _, _, images = play()
    darkness = low_frequencies(images["degradation"], LossOptions().synthetic_blur)
    low = np.clip(batch["normal"] + darkness, 0, 1)
    np.testing.assert_allclose(images["synthetic_low"], low, atol=1e-6)
    mean = images["degradation"].mean(axis=(1, 2), keepdims=True)
    small = np.clip(batch["normal_thumbnail"] + mean, 0, 1)
    again = model(low, small, batch["normal_brightness"], training=True)
    np.testing.assert_allclose(
        images["synthetic_degradation"], again["degradation"], atol=network_rounding()
    )
    np.testing.assert_allclose(
        images["synthetic_enhanced"], again["enhanced"], atol=network_rounding()
    )


@pytest.mark.parametrize("name", ["synthetic_content", "adversarial_low", "kl"])
def test_the_first_degradation_learns_from_what_is_made_of_it(model, batch, name):
    options = LossOptions()
    discriminators = new_discriminators(options, widths=(4, 8))
    with tf.GradientTape() as tape:
        _, _, terms, images = objective(model, discriminators, batch, options, 1.0)
    assert np.abs(tape.gradient(terms[name], images["degradation"])).max() > 0


# ---------------------------------------------------------------- gradients


@pytest.fixture(scope="module")
def gradients(batch):
    """Gradients of both players by variable, with everything as in training."""
    # The bottleneck of the preset's channel attention has two ReLUs. By chance both may be
    # shut for these photos in a new network; all of eight are not.
    keras.utils.set_random_seed(1)
    model = DRGN(preset("tiny", reduction=1))
    model.build()
    # A new predictor proposes the middle, whatever its hidden layer says: for one step.
    kernel = model.brightness_predictor.output_layer.kernel
    kernel.assign(kernel + 0.1)
    options = LossOptions()
    discriminators = new_discriminators(options)
    with tf.GradientTape(persistent=True) as tape:
        loss, discriminator_loss, _, _ = objective(model, discriminators, batch, options, 1.0)

    def differentiate(target, network):
        variables = network.trainable_variables
        found = tape.gradient(target, [variable.value for variable in variables])
        return {variable.path: gradient for variable, gradient in zip(variables, found)}

    return {
        "model": differentiate(loss, model),
        "low": differentiate(discriminator_loss, discriminators["low"]),
        "degradation": differentiate(discriminator_loss, discriminators["degradation"]),
    }


@pytest.mark.parametrize("player", ["model", "low", "degradation"])
def test_every_variable_learns(gradients, player):
    assert gradients[player]
    for path, gradient in gradients[player].items():
        assert gradient is not None, path
        assert np.isfinite(gradient).all(), path
        assert np.abs(gradient).max() > 0, path


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    "field",
    [
        "content_weight",
        "ssim_weight",
        "gradient_weight",
        "spectral_weight",
        "chroma_weight",
        "synthetic_weight",
        "adversarial_low_weight",
        "adversarial_degradation_weight",
        "kl_weight",
        "base_weight",
        "brightness_weight",
        "synthetic_start",
        "synthetic_ramp",
    ],
)
def test_negative_options_are_named(field):
    with pytest.raises(ValueError, match=f"{field} must be a finite number of at least 0, not -1"):
        LossOptions(**{field: -1})


def test_options_without_any_restoration_loss_are_refused():
    with pytest.raises(ValueError, match="ssim_weight and spectral_weight are all 0"):
        LossOptions(content_weight=0, ssim_weight=0, gradient_weight=1, chroma_weight=1)
    LossOptions(content_weight=0, ssim_weight=0, spectral_weight=1)
