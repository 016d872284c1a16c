"""Warm-up requests, which TF Serving runs before it reports a model as available.

Without them the first client of each signature waits for graph optimisation and memory
allocation. TF Serving reads them from a file inside the SavedModel: a TFRecord of
`tensorflow.serving.PredictionLog`, one request each.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from drgn_tf.serving import messages

# Where TF Serving looks, relative to the SavedModel.
PATH = pathlib.PurePosixPath("assets.extra", "tf_serving_warmup_requests")


def prediction_log(model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Returns one serialised request.

    Args:
      model: name of the model.
      signature: name of the signature.
      inputs: values by input name; strings as an array of bytes objects.
    """
    log = messages.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    messages.fill_inputs(request, inputs)
    return log.SerializeToString(deterministic=True)


def write_requests(saved_model: pathlib.Path, logs: Sequence[bytes]) -> None:
    """Writes serialised requests into a SavedModel.

    Args:
      saved_model: the folder with saved_model.pb.
      logs: from `prediction_log`.
    """
    path = saved_model / PATH
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log)
