"""The daily profile: the mean of each half hour, learned as it passes and used from the next day on."""

import numpy as np

from telltale_shared.detection.state import BUCKETS, Columns, Floats, Integers

DAY_US = 86_400_000_000
BUCKET_US = DAY_US // BUCKETS


def expected(profile: Floats, rows: Integers, observed_at: Floats) -> Floats:
    """The profile at ``observed_at`` (µs), straight between middles of half hours; NaN where not known yet."""
    place = observed_at / BUCKET_US - 0.5
    before = np.floor(place)
    part = place - before
    left = before.astype(np.int64) % BUCKETS
    right = (left + 1) % BUCKETS
    value: Floats = profile[rows, left] * (1.0 - part) + profile[rows, right] * part
    return value


def learn(profile: Floats, rows: Integers, columns: Columns, observed_at: Floats, value: Floats, weight: float) -> None:
    """Adds ``value`` to the half hour being averaged; a finished one goes into the profile with ``weight``."""
    bucket = np.floor(observed_at / BUCKET_US)
    finished = np.flatnonzero((bucket != columns.bucket) & (columns.bucket_count > 0))
    if finished.size:
        place = columns.bucket[finished].astype(np.int64) % BUCKETS
        mean = columns.bucket_mean[finished]
        old = profile[rows[finished], place]
        profile[rows[finished], place] = np.where(np.isnan(old), mean, old + weight * (mean - old))
        columns.bucket_mean[finished] = 0.0
        columns.bucket_count[finished] = 0.0
    columns.bucket[:] = bucket
    columns.bucket_count += 1.0
    columns.bucket_mean += (value - columns.bucket_mean) / columns.bucket_count
