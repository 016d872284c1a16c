"""The step on JAX next to TensorFlow's, on the very same weights and photos."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from drgn_tf.losses import LossOptions, objective
from drgn_tf.models import DRGN, Discriminator, preset
from drgn_tf.training.tensorflow.backend import TensorFlowBackend
from tests.tolerances import rounding

pytestmark = pytest.mark.long

CONTESTS = ("low", "degradation")
# Of the discriminators: their kernels are about 1, so that single bits do not show.
RATE = 1e-3

GRADIENTS = """
import functools, sys
import jax
import numpy as np
from drgn_tf.data import DataOptions, PairedPhotos, PhotometricOptions, TrainingData
from drgn_tf.data.decoded_photos import store_in_memory
from drgn_tf.losses import LossOptions
from drgn_tf.losses.ssim import ssim_loss
from drgn_tf.models import preset
from drgn_tf.models.context import thumbnail
from drgn_tf.training import RunOptions, TrainingOptions
from drgn_tf.training.flat import parted
from drgn_tf.training.jax.backend import JaxBackend

backend = JaxBackend()
folder = sys.argv[1]
given = np.load(folder + "/given.npz")
photos = store_in_memory([np.zeros((32, 32, 3), np.uint8)], ["black"])
options = RunOptions(
    preset("tiny", branch_blocks=0, fusion_blocks=0),
    LossOptions(
        discriminator_width=8, synthetic_start=0, synthetic_ramp=2,
        gradient_weight=1.0, spectral_weight=1.0, chroma_weight=1.0,
    ),
    DataOptions(), PhotometricOptions(),
    TrainingOptions(
        batch_size=2, crop_size=32, init_weights=folder + "/model.keras", clip_norm=0.1,
        warmup_steps=0, discriminator_learning_rate=1e-3,
    ),
)
data = TrainingData(PairedPhotos(photos, photos), None, functools.partial(thumbnail, size=16))
trainer = backend.make_trainer(options, data)

def parts(name):
    return [given[f"{name}/{i}"] for i in range(sum(x.startswith(name + "/") for x in given.files))]

batch = {name.removeprefix("batch/"): given[name] for name in given.files if "batch/" in name}
trainer._sample = lambda photos, number, order: batch
discriminators = {"discriminators": parts("kernels"), "discriminator_memory": parts("memory")}
trainer.restore({**jax.device_get(trainer.state), **discriminators})
scalars, _ = trainer.train_steps(1, False)
found = {name: values[0] for name, values in scalars.items()}

def momentums(optimizer, name):
    return [x for v, x in zip(optimizer.variables, trainer.state[name]) if "momentum" in v.path]

(momentum,) = momentums(trainer._optimizer, "optimizer")
for name, arrays in (
    ("gradients", parted(momentum, trainer.state["model"])),
    ("opponents", momentums(trainer._discriminator_optimizer, "discriminator_optimizer")),
    ("left", trainer.state["discriminators"]),
):
    found.update({f"{name}/{i}": array for i, array in enumerate(arrays)})
photos = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
products = [
    line for line in jax.jit(ssim_loss).lower(photos, photos).as_text().splitlines()
    if "dot_general" in line
]
found["products"] = len(products)
found["whole_products"] = sum(line.count("HIGHEST") == 2 for line in products)
np.savez(folder + "/found.npz", **found)
"""


@pytest.fixture(scope="module")
def both(photo, low_photo, on_jax, tmp_path_factory) -> tuple[dict, dict]:
    """Losses, gradients and normalised kernels by TensorFlow, and by JAX."""
    folder = tmp_path_factory.mktemp("step")
    keras.utils.set_random_seed(3)
    # Blocks on the 1/2 grid alone: others like them would take as long again to compile.
    model = DRGN(preset("tiny", branch_blocks=0, fusion_blocks=0))
    model.build()
    model.save(folder / "model.keras")
    options = LossOptions(
        discriminator_width=8, gradient_weight=1.0, spectral_weight=1.0, chroma_weight=1.0
    )
    discriminators = {name: Discriminator(options.discriminator_widths) for name in CONTESTS}
    for discriminator in discriminators.values():
        discriminator.build()
    kernels = [v for x in discriminators.values() for v in x.trainable_variables]
    memory = [v for x in discriminators.values() for v in x.non_trainable_variables]
    high = photo[np.newaxis].astype(np.float32) / 255
    batch = {
        "low": np.concatenate([low_photo[:, :32, :32], low_photo[:, 90:122, 200:232]]),
        "high": np.concatenate([high[:, :32, :32], high[:, 90:122, 200:232]]),
        "thumbnail": np.repeat(model.thumbnail(low_photo), 2, axis=0),
        "brightness": np.float32([0.5, 0.4]),
        "normal": np.concatenate([high[:, 130:162, 10:42], high[:, 20:52, 300:332]]),
        "normal_thumbnail": np.repeat(model.thumbnail(high), 2, axis=0),
        "normal_brightness": np.float32([0.5, 0.6]),
    }
    given = {f"batch/{name}": image for name, image in batch.items()}
    for name, variables in (("kernels", kernels), ("memory", memory)):
        given.update({f"{name}/{i}": v.numpy() for i, v in enumerate(variables)})
    np.savez(folder / "given.npz", **given)

    with tf.GradientTape(persistent=True) as tape:
        loss, opponents_loss, terms, _ = objective(
            model, discriminators, {k: tf.constant(v) for k, v in batch.items()}, options, 0.5
        )
    expected = {name: value.numpy() for name, value in {"loss": loss, **terms}.items()}
    for name, target, variables in (
        ("gradients", loss, model.trainable_variables),
        ("opponents", opponents_loss, kernels),
    ):
        gradients = tape.gradient(target, [v.value for v in variables])
        gradients, norm = tf.clip_by_global_norm(gradients, 0.1)
        assert norm > 0.1
        # What Adam remembers of a first gradient.
        expected.update({f"{name}/{i}": 0.1 * x.numpy() for i, x in enumerate(gradients)})
    # The forward pass has overwritten the kernels.
    expected.update({f"left/{i}": v.numpy() for i, v in enumerate(kernels)})

    code, output = on_jax(GRADIENTS, folder)
    assert code == 0, output
    return expected, dict(np.load(folder / "found.npz"))


def test_the_losses_are_those_of_tensorflow(both):
    expected, found = both
    names = [name for name in expected if "/" not in name]
    # The whole; seven of restoration, twice; the brightness, the KL; two for each discriminator.
    assert len(names) == 1 + 7 + 7 + 1 + 1 + 4
    for name in names:
        assert found[name] == pytest.approx(float(expected[name]), rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("kind", ["gradients", "opponents"])
def test_the_clipped_gradients_are_those_of_tensorflow(both, kind):
    expected, found = both
    names = [name for name in expected if name.startswith(kind + "/")]
    assert names
    assert len(names) == sum(name.startswith(kind + "/") for name in found)
    for name in names:
        # Sums over two crops of 32x32, which nearly cancel: down to a hundredth.
        tolerance = 100 * rounding(2 * 32 * 32) * np.abs(expected[name]).max() + 2e-9
        np.testing.assert_allclose(found[name], expected[name], atol=tolerance, err_msg=name)


def test_discriminators_step_from_their_normalised_kernels(both):
    expected, found = both
    names = [name for name in expected if name.startswith("left/")]
    assert names
    for name in names:
        # Adam's first step is the learning rate wide, up or down, unless a gradient is tiny beside
        # its epsilon of 1e-7; a tenth of the gradient is known, and betas are 0.9 and 0.999.
        gradients = 10 * np.abs(expected[name.replace("left", "opponents")])
        wanted = RATE * gradients / (gradients + 1e-7 / np.sqrt(1 - 0.999))
        steps = np.abs(found[name] - expected[name])
        assert np.median(steps) == pytest.approx(np.median(wanted), rel=0.1), name
        assert steps.max() < 1.1 * RATE, name


def test_gpus_would_not_round_what_cancels_out(both):
    # TF32 has 11 bits, a local variance the size of C2 = 9e-4 is a difference of squares near 1.
    _, found = both
    assert found["products"] == found["whole_products"] > 0
    TensorFlowBackend(tf.distribute.get_strategy())
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
