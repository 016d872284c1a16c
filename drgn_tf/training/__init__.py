"""Training DRGN on one device, several, or several machines."""

from drgn_tf.lazy import lazily
from drgn_tf.training.options import CadenceOptions, RunOptions, TrainingOptions
from drgn_tf.training.run_folder import RunFolder, RunFolderError
from drgn_tf.training.run_loop import DivergedError, InterruptedRun

__all__ = [
    "CadenceOptions",
    "DivergedError",
    "InterruptedRun",
    "MemoryRefusedError",
    "RunFolder",
    "RunFolderError",
    "RunOptions",
    "StrategyError",
    "TrainingOptions",
    "is_chief",
    "make_strategy",
    "run",
]

# These need TensorFlow.
__getattr__ = lazily(
    __name__,
    {
        "MemoryRefusedError": "memory",
        "StrategyError": "strategy",
        "is_chief": "strategy",
        "make_strategy": "strategy",
        "run": "loop",
    },
)
