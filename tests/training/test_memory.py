from __future__ import annotations

import dataclasses

import pytest

from drgn_tf.data import DataOptions, PhotometricOptions
from drgn_tf.errors import UserError
from drgn_tf.losses import LossOptions
from drgn_tf.models import preset
from drgn_tf.training import RunOptions, TrainingOptions, memory

PLAIN, WHOLE = LossOptions(synthetic_weight=0.0), LossOptions()


def needed(name="base", loss=PLAIN, workers=1, **training) -> int:
    return memory.estimate(preset(name), loss, TrainingOptions(**training), workers)


def options(**training) -> RunOptions:
    return RunOptions(
        preset("base"), WHOLE, DataOptions(), PhotometricOptions(), TrainingOptions(**training)
    )


def test_pixels_count_not_their_shape():
    assert needed(batch_size=32, crop_size=64) == needed(batch_size=8, crop_size=128)
    small, large, larger = (needed(batch_size=size) for size in (8, 16, 24))
    assert larger - large == pytest.approx(large - small, abs=2)
    assert large > small


def test_what_takes_more_is_said_to():
    assert needed("tiny") < needed("mobile") < needed("base") < needed("base", WHOLE)
    one_player = LossOptions(adversarial_low_weight=0.0)
    assert needed("base", PLAIN) < needed("base", one_player) < needed("base", WHOLE)


def test_what_saves_memory_is_said_to():
    full = needed(batch_size=64)
    assert needed(batch_size=64, workers=2) < full
    assert needed(batch_size=64, precision="mixed_bfloat16") < full
    assert needed(batch_size=64, gradient_accumulation_steps=8) < full
    # The whole batch is there in either case.
    assert needed(batch_size=64, gradient_accumulation_steps=8) > needed(batch_size=8)


def test_what_the_network_has_not_is_not_counted():
    one_step = memory.estimate(preset("base", two_step=False), WHOLE, TrainingOptions())
    assert one_step < 0.6 * needed("base", WHOLE)
    one_scale = memory.estimate(preset("base", scales=1), WHOLE, TrainingOptions())
    assert one_scale < needed("base", WHOLE)
    narrow = LossOptions(discriminator_width=16)
    assert needed("mobile", PLAIN) < needed("mobile", narrow) < needed("mobile", WHOLE)


def test_a_step_that_does_not_fit_is_refused_in_one_line():
    large = options(batch_size=64, crop_size=512)
    with pytest.raises(
        UserError,
        match=r"^a step of --batch_size=64 and --crop_size=512 needs about \d+\.\d GB of memory, "
        r"and 8\.0 GB are free on this machine; lower --batch_size or --crop_size, or raise "
        r"--gradient_accumulation_steps\.$",
    ):
        memory.check(large, free=8 * 10**9)
    memory.check(options(batch_size=1, crop_size=64), free=8 * 10**9)
    # What the line says, done.
    accumulated = dataclasses.replace(large.training, gradient_accumulation_steps=64)
    memory.check(dataclasses.replace(large, training=accumulated), free=24 * 10**9)
