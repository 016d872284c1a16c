"""Ways to compute the same steps: cut up, in one call, in 16 bits, compiled."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import pytest

from drgn_tf.data import DataOptions, PhotometricOptions, load_run_data
from drgn_tf.errors import UserError
from drgn_tf.losses import LossOptions
from drgn_tf.models import load_model, preset
from drgn_tf.models.context import thumbnail
from drgn_tf.training import CadenceOptions, RunFolder, RunOptions, TrainingOptions
from drgn_tf.training import run as runs
from drgn_tf.training.tensorflow import TensorFlowBackend, make_strategy
from tests import runs as left
from tests.tolerances import rounding

STEPS = 6
WHOLE = LossOptions(synthetic_start=0, synthetic_ramp=0, discriminator_width=8)
RATE = 2e-3
# Little to trace: it is most of what a short run takes.
SMALL = preset("tiny", scales=1, branch_blocks=0, fusion_blocks=0)
SMALLEST = dataclasses.replace(SMALL, two_step=False)


@pytest.fixture(scope="module")
def train(tmp_path_factory, make_pairs):
    """Trains with some options changed; returns the folder of the run."""
    photos = load_run_data(
        DataOptions(str(make_pairs(tmp_path_factory.mktemp("data") / "pairs")), val_fraction=0.25),
        PhotometricOptions(),
        functools.partial(thumbnail, size=16),
    )

    def train(cadence=(), loss=LossOptions(synthetic_weight=0.0), model=SMALLEST, **changes):
        options = RunOptions(
            model,
            loss,
            DataOptions(),
            PhotometricOptions(),
            TrainingOptions(
                **{
                    "steps": STEPS, "batch_size": 4, "crop_size": 32, "warmup_steps": 0,
                    "learning_rate": RATE, **changes,
                }
            ),
            CadenceOptions(**{"log_every": STEPS, "validate_every": 100, **dict(cadence)}),
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("run")
        runs.train(options, TensorFlowBackend(make_strategy()), photos, RunFolder(folder))
        return folder

    return train


@pytest.fixture(scope="module")
def plain(train):
    return train()


def weights(folder) -> np.ndarray:
    return np.concatenate([value.ravel() for value in left.weights(folder)])


def assert_same_weights(one, other) -> None:
    """Checks that the weights of two runs differ by nothing but rounding."""
    # Gradients are sums over 4 crops of 16x16 and more, which nearly cancel: down to a hundredth.
    relative = 100 * rounding(4 * 16 * 16)
    differences = np.abs(weights(one) - weights(other))
    # Adam divides each gradient by its own size. Where rounding is all there is of it, which
    # few weights are, a step is still as wide as the rate.
    assert np.quantile(differences, 0.97) < STEPS * RATE * relative
    assert differences.max() < 2 * STEPS * RATE


def logged(folder) -> dict[str, float]:
    return left.logged(folder)[0]


@pytest.mark.long
def test_micro_batches_and_several_steps_a_call_give_the_same_weights(train, plain, monkeypatch):
    monkeypatch.setattr(runs, "_STEPS_BEFORE_PROFILE", 1)
    folder = train(cadence={"steps_per_call": 4, "profile": 2}, gradient_accumulation_steps=2)
    assert_same_weights(folder, plain)
    for name, value in logged(plain).items():
        if name not in ("seconds", "images_per_second"):
            assert logged(folder)[name] == pytest.approx(value, rel=1e-3), name
    assert list((folder / "tensorboard" / "plugins" / "profile").glob("*/*.xplane.pb"))


@pytest.mark.long
def test_micro_batches_carry_both_players(train):
    folder = train(loss=WHOLE, model=SMALL, steps=1, gradient_accumulation_steps=2)
    for name in ("synthetic_content", "kl", "adversarial_low", "discriminator_gradient_norm"):
        assert logged(folder)[name] > 0, name


@pytest.mark.long
def test_bfloat16_comes_near_and_leaves_a_network_in_float32(train, plain):
    folder = train(precision="mixed_bfloat16")
    model = load_model(folder / "last.keras")
    assert {str(variable.dtype) for variable in model.variables} == {"float32"}
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32"}
    assert logged(folder)["loss"] == pytest.approx(logged(plain)["loss"], rel=0.02)
    assert not np.array_equal(weights(folder), weights(plain))
    # Steps of Adam are as wide as the rate, whatever the gradient.
    np.testing.assert_allclose(weights(folder), weights(plain), atol=2 * STEPS * RATE)


def test_float16_leaves_out_a_step_that_overflows_and_goes_on(train, plain, monkeypatch):
    monkeypatch.setattr(
        keras.optimizers,
        "LossScaleOptimizer",
        functools.partial(keras.optimizers.LossScaleOptimizer, initial_scale=1e9),
    )
    folder = train(precision="mixed_float16", cadence={"log_every": 1}, steps=STEPS * 4)
    scales = [row["loss_scale"] for row in left.logged(folder)]
    assert scales[0] > scales[-1] == scales[-2]
    trained = [row["gradient_norm"] for row in left.logged(folder)]
    assert trained[0] == 0 and trained[-1] > 0
    assert np.isfinite(weights(folder)).all()
    assert left.logged(folder)[-1]["loss"] < logged(plain)["loss"]


@pytest.mark.long
def test_float16_steps_are_as_wide_as_others(train, plain):
    """Gradients are clipped as they are, not as they are scaled."""
    start = weights(train(steps=1, learning_rate=1e-12))
    moved = [
        np.abs(weights(one) - start).mean() for one in (train(precision="mixed_float16"), plain)
    ]
    assert 0.7 < moved[0] / moved[1] < 1.4


@pytest.mark.long
def test_averages_soon_forget_the_initial_weights(train):
    # After the first step the memory is a tenth, however long it is to be.
    longer, shorter = (train(steps=1, ema_decay=decay) for decay in (0.999, 0.5))
    np.testing.assert_array_equal(weights(longer), weights(shorter))


@pytest.mark.long
def test_xla_gives_the_same_weights(train, plain):
    assert_same_weights(train(xla=True), plain)


def test_a_batch_that_does_not_divide_is_refused(train):
    with pytest.raises(UserError, match=r"3 micro-batches each; choose --batch_size=3\."):
        train(gradient_accumulation_steps=3)


@pytest.mark.parametrize(
    "change", [{"precision": "float8"}, {"gradient_accumulation_steps": 0}, {"monitor": "mse"}]
)
def test_nonsense_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        TrainingOptions(**change)
