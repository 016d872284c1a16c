"""Benchmarks. Each compares within one run, because the speed of machines drifts."""
