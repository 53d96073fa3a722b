"""How sure a mean over photos is."""

import numpy as np

RESAMPLES = 1000


def mean_interval(values: list[float], seed: int = 0) -> dict[str, float]:
    """Return mean and 95 % percentile interval of the bootstrap (Efron 1979): keys mean, low, high."""
    sample = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.percentile(sample[picks].mean(axis=1), [2.5, 97.5])
    return {"mean": float(sample.mean()), "low": float(low), "high": float(high)}
