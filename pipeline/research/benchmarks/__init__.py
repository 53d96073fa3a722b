"""Benchmarks: the speed of each part of the pipeline, relative to a ceiling measured in the same run."""
