"""The engines around wespe: DVC, Ray, MLflow, photo files and reports."""

import os

# Before torch is imported: idle threads of OpenMP would otherwise spin for milliseconds, on the cores on
# which compiled passes run. On two cores photos would take 1.25 times as long; training takes the same time.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
