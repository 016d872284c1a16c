from __future__ import annotations

import pytest
import tensorflow as tf

from drgn_tf.errors import UserError
from drgn_tf.training.tensorflow import TensorFlowBackend, make_strategy


def test_one_device_needs_no_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert make_strategy() is tf.distribute.get_strategy()
    assert TensorFlowBackend(make_strategy()).chief


def test_several_machines_need_their_names(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="needs TF_CONFIG"):
        make_strategy("multi_worker")


def test_nonsense_in_tf_config_is_said(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{not json")
    with pytest.raises(UserError, match="TF_CONFIG does not describe the machines"):
        make_strategy()


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="choose one of: auto, single, mirrored, multi_worker"):
        make_strategy("tpu")
