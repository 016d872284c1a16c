"""The same examples in every run, and few enough to stay fast."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile(
    "tests", derandomize=True, database=None, deadline=None, max_examples=100
)
hypothesis.settings.load_profile("tests")
