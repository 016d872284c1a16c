"""The same networks and losses on another backend of Keras, JAX."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from drgn_tf.losses import LossOptions, objective
from drgn_tf.models import Discriminator
from tests.tolerances import network_rounding

WANTED = np.float32([[0.55]])
CONTESTS = ("low", "degradation")

RUN = """
import sys
import keras
import numpy as np
from drgn_tf.losses import LossOptions, objective
from drgn_tf.models import DRGN, Discriminator

folder = sys.argv[1]
assert keras.backend.backend() == "jax"
to_numpy = keras.ops.convert_to_numpy

def load(name):
    return keras.models.load_model(f"{folder}/{name}.keras")

model = load("model")
inputs = np.load(folder + "/inputs.npz")
photo = inputs["photo"]
results = {name: to_numpy(image) for name, image in model(photo).items()}
told = model(photo, brightness=inputs["wanted"])
results.update({"told/" + name: to_numpy(image) for name, image in told.items()})
batch = {
    name: keras.ops.convert_to_tensor(inputs[name])
    for name in inputs
    if name not in ("photo", "wanted")
}
discriminators = {name: load(name) for name in ("low", "degradation")}
loss, discriminator_loss, terms, _ = objective(
    model, discriminators, batch, LossOptions(), ramp=0.5
)
terms = {**terms, "loss": loss, "discriminator_loss": discriminator_loss}
results.update({"term/" + name: to_numpy(value) for name, value in terms.items()})
np.savez(folder + "/results.npz", **results)
"""


@pytest.fixture(scope="module")
def results(model, low_photo, photo, on_jax, tmp_path_factory) -> tuple[dict, dict]:
    """Images and losses of TensorFlow, and of the other backend, from the same files."""
    folder = tmp_path_factory.mktemp("backends")
    high = photo[np.newaxis].astype(np.float32) / 255
    low_crop, high_crop, normal = (
        np.concatenate([image[:, y : y + 32, x : x + 32] for y, x in places])
        for image, places in (
            (low_photo, [(60, 60), (200, 300)]),
            (high, [(60, 60), (200, 300)]),
            (high, [(130, 10), (20, 400)]),
        )
    )
    batch = {
        "low": low_crop,
        "high": high_crop,
        "thumbnail": np.repeat(model.thumbnail(low_photo), 2, axis=0),
        "brightness": high.mean((1, 2, 3)).repeat(2) * np.float32([1.0, 0.8]),
        "normal": normal,
        "normal_brightness": np.float32([0.3, 0.45]),
        "normal_thumbnail": np.repeat(model.thumbnail(high), 2, axis=0),
    }
    odd = low_photo[:, 100:137, 150:203]
    np.savez(folder / "inputs.npz", photo=odd, wanted=WANTED, **batch)
    model.save(folder / "model.keras")
    keras.utils.set_random_seed(13)
    discriminators = {name: Discriminator(widths=(8, 16)) for name in CONTESTS}
    for name, discriminator in discriminators.items():
        discriminator.build()
        # Before the losses are computed: that moves its spectral norms.
        discriminator.save(folder / f"{name}.keras")

    expected = {name: np.asarray(image) for name, image in model(odd).items()}
    told = model(odd, brightness=WANTED)
    expected.update({f"told/{name}": np.asarray(image) for name, image in told.items()})
    loss, discriminator_loss, terms, _ = objective(
        model, discriminators, batch, LossOptions(), ramp=0.5
    )
    terms = {**terms, "loss": loss, "discriminator_loss": discriminator_loss}
    expected.update({f"term/{name}": np.asarray(value) for name, value in terms.items()})

    code, output = on_jax(RUN, folder)
    assert code == 0, output
    return expected, dict(np.load(folder / "results.npz"))


@pytest.mark.parametrize("told", ["", "told/"])
@pytest.mark.parametrize(
    "name", ["degradation", "base", "enhanced", "brightness", "predicted_brightness"]
)
def test_another_backend_makes_the_same(results, name, told):
    expected, other = results
    np.testing.assert_allclose(
        other[told + name], expected[told + name], atol=network_rounding(magnitude=2)
    )


def test_another_backend_finds_the_same_losses(results):
    expected, other = results
    names = sorted(name for name in expected if name.startswith("term/"))
    assert names == sorted(name for name in other if name.startswith("term/"))
    # Real and synthetic pairs, the brightness, both discriminators, the divergence, two sums.
    assert len(names) == 4 + 4 + 1 + 2 * 2 + 1 + 2
    for name in names:
        # Means over thousands of values of the images, of which none is off by more than 4e-5.
        assert other[name] == pytest.approx(float(expected[name]), rel=1e-4, abs=1e-6), name
