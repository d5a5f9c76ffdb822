"""Measures this package; `python -m jobs.benchmark` tells its modes, one a file."""
