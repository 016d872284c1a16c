"""Hides what native code writes to standard error: start-up messages and chatter of converters."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def native_messages_hidden() -> Iterator[None]:
    """Hides what is written to file descriptor 2, but not what Python writes to sys.stderr.

    TensorFlow, CUDA, XNNPACK and converters write there without asking Python; no setting
    silences all of them. With TF_CPP_MIN_LOG_LEVEL=0 in the environment all is shown.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0" or sys.stderr is None:
        yield
        return
    shown, hidden = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    before = sys.stderr
    try:
        is_file = before.fileno() == 2
    except (OSError, ValueError):
        # Python's own messages go elsewhere already.
        is_file = False
    if is_file:
        sys.stderr = open(  # noqa: SIM115
            shown, "w", 1, before.encoding, "backslashreplace", closefd=False
        )
    os.dup2(hidden, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(shown, 2)
        sys.stderr = before
        for descriptor in (shown, hidden):
            os.close(descriptor)
