"""Prints what a reading costs the model, and how many false alarms a clean day gives.

Run with ``python services/detector/benchmarks/model_cost.py``; takes about half a minute.
"""

import sys
import time

import numpy as np
from numpy.typing import NDArray

from telltale_detector.model import Model, Readings

SECOND = 1_000_000


def readings(model: Model, value: NDArray[np.float64]) -> Readings:
    """``value`` (time, series) as readings at 1 Hz, all series at each instant."""
    times, series = value.shape
    rows = np.array([row for n in range(series) if (row := model.table.row(f"s{n}", "c", None)) is not None])
    at = 1_767_225_600 * SECOND + SECOND * np.arange(times, dtype=np.int64)
    return Readings(np.tile(rows, times), np.repeat(at, series), value.ravel())


def measure(value: NDArray[np.float64]) -> tuple[float, int]:
    """Microseconds a reading, and the number of alarms."""
    model = Model()
    every = readings(model, value)
    began = time.perf_counter()
    scores = model.score(every)
    return (time.perf_counter() - began) / value.size * 1e6, len(scores.anomalies)


def main() -> None:
    """Measures and prints."""
    rng = np.random.default_rng(1)
    for series in (1, 8, 100, 1_000, 10_000):
        times = max(20, min(2_000, 500_000 // series))
        cost, _ = measure(rng.normal(20, 1, (times, series)))
        sys.stdout.write(f"{series:>6,} series side by side: {cost:8.3f} µs a reading\n")
    day = np.arange(86_400)[:, None] / 86_400
    swing = np.array([0.0, 1, 2, 5, 10, 20, 50, 100])
    clean = 20 + swing * np.sin(2 * np.pi * day + np.arange(8)) + rng.normal(0, 1, (86_400, 8))
    cost, alarms = measure(clean)
    sys.stdout.write(f"clean day, 8 series at 1 Hz: {alarms} false alarms, {cost:.1f} µs a reading\n")


if __name__ == "__main__":
    main()
