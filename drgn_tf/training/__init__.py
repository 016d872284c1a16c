"""Training DRGN on one device, several, or several machines."""

from drgn_tf.training.loop import DivergedError, InterruptedRun, run
from drgn_tf.training.memory import MemoryRefusedError
from drgn_tf.training.options import CadenceOptions, RunOptions, TrainingOptions
from drgn_tf.training.run_folder import RunFolder, RunFolderError
from drgn_tf.training.strategy import StrategyError, is_chief, make_strategy

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
