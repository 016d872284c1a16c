"""Networks in `.keras` files, opened by another process, and from their configurations."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from drgn_tf.models import (
    DRGN,
    DegradationGenerator,
    Discriminator,
    ModelOptions,
    MultiResolutionFusionNetwork,
    RefinementGenerator,
    preset,
)

# Keras alone opens them, once the networks are imported.
OPEN = """
import sys
import keras
import numpy as np
from drgn_tf.models import DRGN, Discriminator

folder = sys.argv[1]
inputs = np.load(folder + "/inputs.npz")
low, context = inputs["low"], inputs["context"]
results = {}
arguments = {"generator": (context,), "told": (None, np.float32([[0.7]]))}
for name in ("two_step", "told", "one_step", "untold", "generator", "discriminator"):
    model = keras.models.load_model(f"{folder}/{name}.keras")
    images = model(low, *arguments.get(name, ()))
    images = images if isinstance(images, dict) else {"output": images}
    results.update({f"{name}/{key}": np.asarray(image) for key, image in images.items()})
np.savez(folder + "/results.npz", **results)
"""


@pytest.fixture(scope="module")
def opened(
    model, one_step_model, untold_model, low_photo, programs, tmp_path_factory
) -> tuple[dict, dict]:
    """What the networks give here, and what they give in a process that opened their files."""
    folder = tmp_path_factory.mktemp("saved")
    low = low_photo[:, 100:137, 150:203]
    width = model.options.told_width
    context = np.linspace(-1, 1, width, dtype=np.float32).reshape(1, 1, 1, width)
    np.savez(folder / "inputs.npz", low=low, context=context)

    discriminator = Discriminator(widths=(4, 8))
    expected = {}
    for name, network, inputs in (
        ("two_step", model, (low,)),
        ("told", model, (low, None, np.float32([[0.7]]))),
        ("one_step", one_step_model, (low,)),
        ("untold", untold_model, (low,)),
        ("generator", model.degradation_generator, (low, context)),
        ("discriminator", discriminator, (low,)),
    ):
        images = network(*inputs)
        images = images if isinstance(images, dict) else {"output": images}
        expected.update({f"{name}/{key}": np.asarray(image) for key, image in images.items()})
        network.save(folder / f"{name}.keras")

    process = programs.run("-c", OPEN, folder)
    assert process.code == 0, process.output
    return expected, dict(np.load(folder / "results.npz"))


@pytest.mark.parametrize(
    "name", ["two_step", "told", "one_step", "untold", "generator", "discriminator"]
)
def test_a_saved_network_gives_the_same_in_another_process(opened, name):
    expected, results = opened
    assert expected.keys() == results.keys()
    keys = [key for key in expected if key.startswith(name)]
    assert keys
    for key in keys:
        np.testing.assert_array_equal(results[key], expected[key])


def test_a_saved_network_keeps_its_options_and_trainable_weights(model, tmp_path):
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert reloaded.options == model.options
    weights, expected = reloaded.trainable_variables, model.trainable_variables
    assert len(weights) == len(expected)
    for weight, other in zip(weights, expected):
        np.testing.assert_array_equal(weight, other)


def through_json(config: dict) -> dict:
    """What becomes of a configuration in a file."""
    return json.loads(json.dumps(config))


@pytest.mark.parametrize(
    "options",
    [
        preset("tiny"),
        preset("tiny", two_step=False),
        preset("tiny", brightness=False),
        ModelOptions(6, 5, 2, 0, 1, reduction=3, context_width=4, thumbnail_size=8),
    ],
)
@pytest.mark.parametrize(
    "network",
    [DRGN, MultiResolutionFusionNetwork, DegradationGenerator, RefinementGenerator],
)
def test_configuration_remakes_the_network(network, options):
    original = network(options, name="mine")
    copy = network.from_config(through_json(original.get_config()))
    assert type(copy) is network
    assert copy.name == "mine"
    assert copy.options == options
    original.build()
    copy.build()
    assert [v.shape for v in copy.variables] == [v.shape for v in original.variables]


def test_configuration_remakes_the_discriminator():
    original = Discriminator(widths=(4, 8, 8), name="mine")
    copy = Discriminator.from_config(through_json(original.get_config()))
    assert (copy.widths, copy.name) == ((4, 8, 8), "mine")
    original.build()
    copy.build()
    assert [v.shape for v in copy.variables] == [v.shape for v in original.variables]
