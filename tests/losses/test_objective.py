"""What the players minimise: which terms there are, what they are worth, whom they move."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.losses import (
    LossOptions,
    charbonnier,
    gaussian_kl,
    objective,
    scale_to_gt_mean,
    ssim_loss,
    synthesize_low_light,
    term_names,
)
from drgn_tf.models import DRGN, Discriminator, preset
from tests.tolerances import BLOCK, network_rounding, rounding

RESTORATION = {"content", "ssim"}
SYNTHETIC = {"synthetic_content", "synthetic_ssim"}
LOW = {"adversarial_low", "discriminator_low"}
DEGRADATION = {"adversarial_degradation", "discriminator_degradation"}
EVERYTHING = RESTORATION | SYNTHETIC | LOW | DEGRADATION | {"kl"}


@pytest.fixture(scope="module")
def model() -> DRGN:
    keras.utils.set_random_seed(1)
    made = DRGN(preset("tiny"))
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
        "normal": crops(high, (130, 10), (20, 400)),
        "normal_thumbnail": np.repeat(model.thumbnail(high), 2, axis=0),
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
        ({"kl_weight": 0}, EVERYTHING - {"kl"}),
        ({"adversarial_low_weight": 0}, EVERYTHING - LOW),
        ({"adversarial_degradation_weight": 0}, EVERYTHING - DEGRADATION),
        (
            {"adversarial_low_weight": 0, "adversarial_degradation_weight": 0, "kl_weight": 0},
            RESTORATION | SYNTHETIC,
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
    assert set(reported) <= RESTORATION
    assert set(images) == {"degradation", "base", "enhanced"}
    assert discriminator_loss == 0


def test_without_ramp_neither_normal_photos_nor_discriminators_are_needed(model, batch):
    needed = {name: batch[name] for name in ("low", "high", "thumbnail")}
    loss = objective(model, {}, needed, LossOptions())[0]
    assert np.isfinite(loss)


def test_a_synthetic_weight_of_zero_turns_all_that_depends_on_the_path_off(play):
    options = LossOptions(synthetic_weight=0)
    assert not options.synthetic
    assert options.adversarial_weights == {}
    _, discriminator_loss, reported, _ = play(options, ramp=1.0)
    assert set(reported) == RESTORATION
    assert set(term_names(options, synthetic=True)) == RESTORATION
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
    expected = {
        "content": 2.0 * charbonnier(*real),
        "ssim": 0.3 * ssim_loss(*real),
        "synthetic_content": 0.25 * 0.7 * 2.0 * charbonnier(*made),
        "synthetic_ssim": 0.25 * 0.7 * 0.3 * ssim_loss(*made),
        "kl": 0.25 * 0.05 * gaussian_kl(*degradations),
    }
    for name, value in expected.items():
        assert terms[name] == pytest.approx(float(value), rel=1e-4), name


def test_a_wrong_brightness_counts_by_the_rest_of_the_share_only(play, batch):
    reference = batch["high"]
    scaled = scale_to_gt_mean(0.7 * reference, reference)
    # Two means, of which each is off.
    np.testing.assert_allclose(scaled, reference, atol=2 * rounding(BLOCK))
    # Within limits, or a black image would become anything.
    dark = scale_to_gt_mean(0.001 * reference, reference)
    np.testing.assert_allclose(dark, 0.0025 * reference, atol=1e-6)

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
    with pytest.raises(ValueError, match=r"discriminator_width must be at least 1, not 0"):
        LossOptions(discriminator_width=0)


def test_the_generators_minimise_all_but_the_discriminators_terms(play):
    loss, discriminator_loss, terms, _ = play(ramp=0.6)
    judged = {name for name in terms if name.startswith("discriminator")}
    assert loss == pytest.approx(sum(terms[name] for name in terms.keys() - judged), rel=1e-5)
    assert discriminator_loss == pytest.approx(sum(terms[name] for name in judged), rel=1e-5)


def test_ramp_scales_what_depends_on_the_synthetic_path(play):
    _, _, full, _ = play(ramp=1.0)
    _, _, part, _ = play(ramp=0.25)
    for name, value in full.items():
        ramped = name not in RESTORATION and not name.startswith("discriminator")
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


# ---------------------------------------------------------------- the synthetic path


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
    low = np.clip(batch["normal"] + images["degradation"], 0, 1)
    np.testing.assert_allclose(images["synthetic_low"], low, atol=1e-6)
    mean = images["degradation"].mean(axis=(1, 2), keepdims=True)
    small = np.clip(batch["normal_thumbnail"] + mean, 0, 1)
    again = model(low, small, training=True)
    for name in ("degradation", "enhanced"):
        image = images[f"synthetic_{name}"]
        np.testing.assert_allclose(image, again[name], atol=network_rounding())


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
        "synthetic_start",
        "synthetic_ramp",
    ],
)
def test_negative_options_are_named(field):
    with pytest.raises(ValueError, match=f"{field} must not be negative, not -1"):
        LossOptions(**{field: -1})


def test_options_without_any_restoration_loss_are_refused():
    with pytest.raises(ValueError, match="ssim_weight and spectral_weight are all 0"):
        LossOptions(content_weight=0, ssim_weight=0, gradient_weight=1, chroma_weight=1)
    LossOptions(content_weight=0, ssim_weight=0, spectral_weight=1)
