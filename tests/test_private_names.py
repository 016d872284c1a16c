"""What the code takes from other libraries that is not public, and what to do when it is gone.

Three more have their tests where they are used: `_scoped_allocator` in
tests/data/test_disk_cache.py, the quantisation of TensorFlow in tests/exports/test_tflite.py, and
how Pillow makes room for a TIFF in tests/images/test_opening.py.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from benchmarks.operators import operator_seconds


def test_keras_remembers_how_layers_were_called():
    """`drgn_tf/models/cost.py` walks the calls by these names.

    Without them, let it count in a `call` that takes the place of `keras.layers.Conv2D.call`.
    """
    layer = keras.layers.Conv2D(2, 3)
    inputs = keras.Input((8, 8, 3))
    outputs = layer(inputs)
    (node,) = layer._inbound_nodes
    assert node.outputs == [outputs] and node.arguments.args == (inputs,)
    assert list(keras.Sequential([layer])._flatten_layers(include_self=False)) == [layer]


def test_tensorflow_has_the_format_of_its_profiles():
    """`benchmarks/operators.py` reads them by `tensorflow.tsl.profiler.protobuf.xplane_pb2`.

    Without it, `jax.profiler.ProfileData` reads the same files.
    """
    matrix, multiply = tf.ones((256, 256)), tf.function(tf.matmul)
    # oneDNN has a name of its own for it.
    ((name, seconds),) = operator_seconds(lambda: multiply(matrix, matrix), 2).items()
    assert name.endswith("MatMul") and seconds > 0
