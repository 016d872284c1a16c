"""How a run ends before its last step, where code has to tell it from other errors."""

from __future__ import annotations

import signal

from drgn_tf.errors import UserError


class InterruptedRun(UserError):
    """The run was asked to stop and has saved its state.

    Args:
      step: the last that is done.
      signal_number: the signal that asked; the exit code is 128 more.
    """

    def __init__(self, step: int, signal_number: int):
        super().__init__(
            f"stopped by {signal.Signals(signal_number).name} after step {step}; everything is "
            "saved, the same command goes on from here."
        )
        self.exit_code = 128 + signal_number


class LostWorkerError(UserError):
    """Another worker is gone. Programs must end at once: an ordinary exit waits for it."""

    # For job schedulers: try again (EX_TEMPFAIL).
    exit_code = 75
