"""Measurements of sigsearch: ``python -m benchmarks``. Nothing here is installed with it."""
