"""Training DRGN: a loop and its actions, on TensorFlow or JAX, one device or several machines.

`train` composes all of it. What is particular to a framework is in `drgn_tf.training.tensorflow`
and `drgn_tf.training.jax`; nothing else here imports either.
"""

from typing import TYPE_CHECKING

from drgn_tf.lazy import lazily
from drgn_tf.training.errors import InterruptedRun, LostWorkerError
from drgn_tf.training.options import CadenceOptions, RunOptions, TrainingOptions

if TYPE_CHECKING:
    from drgn_tf.training.report import report_table
    from drgn_tf.training.run import train
    from drgn_tf.training.run_folder import RunFolder

__all__ = [
    "CadenceOptions",
    "InterruptedRun",
    "LostWorkerError",
    "RunFolder",
    "RunOptions",
    "TrainingOptions",
    "report_table",
    "train",
]

# These need Keras.
__getattr__ = lazily(
    __name__, {"RunFolder": "run_folder", "report_table": "report", "train": "run"}
)
