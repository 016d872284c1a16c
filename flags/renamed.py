"""Renamed and removed flags, so that old commands and flagfiles get a helpful message."""

from __future__ import annotations

# By old name, the rest of the message.
RENAMED = {
    "accumulate": "is now --gradient_accumulation_steps.",
    "data_service": "no longer exists; leave it out.",
    "final_learning_rate": "is now --final_learning_rate_ratio.",
    "keep_by": "is now --monitor.",
    "reference_dir": "is now --normal_dir.",
    "version": "is now --saved_model_version.",
}
