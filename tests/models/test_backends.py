"""The same network on another backend of Keras, JAX; tests/training/jax has the losses."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tolerances import network_rounding

WANTED = np.float32([[0.55]])

RUN = """
import sys
import keras
import numpy as np
from drgn_tf.models import DRGN

folder = sys.argv[1]
assert keras.backend.backend() == "jax"
to_numpy = keras.ops.convert_to_numpy

model = keras.models.load_model(folder + "/model.keras")
inputs = np.load(folder + "/inputs.npz")
photo = inputs["photo"]
results = {name: to_numpy(image) for name, image in model(photo).items()}
told = model(photo, brightness=inputs["wanted"])
results.update({"told/" + name: to_numpy(image) for name, image in told.items()})
np.savez(folder + "/results.npz", **results)
"""


@pytest.fixture(scope="module")
def results(model, low_photo, on_jax, tmp_path_factory) -> tuple[dict, dict]:
    """Images of TensorFlow, and of the other backend, from the same file."""
    folder = tmp_path_factory.mktemp("backends")
    odd = low_photo[:, 100:137, 150:203]
    np.savez(folder / "inputs.npz", photo=odd, wanted=WANTED)
    model.save(folder / "model.keras")

    expected = {name: np.asarray(image) for name, image in model(odd).items()}
    told = model(odd, brightness=WANTED)
    expected.update({f"told/{name}": np.asarray(image) for name, image in told.items()})

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
