"""Labelled series of many characters, each with one anomaly of one kind: what the model was not chosen on.

Pure functions of a seed. 6,000 readings, one in 5 minutes: three weeks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LENGTH = 6_000
DAY = 288
"""Readings a day."""
STEP = 300_000_000
"""µs between readings."""


def _daily(rng: np.random.Generator) -> Floats:
    phase = 2 * np.pi * (np.arange(LENGTH) / DAY + rng.uniform())
    return np.asarray(10 * np.sin(phase) + rng.uniform(0, 4) * np.sin(2 * phase + rng.uniform(0, 6)))


def white(rng: np.random.Generator) -> Floats:
    """Gaussian noise."""
    return rng.normal(20, 1, LENGTH)


def edged(rng: np.random.Generator) -> Floats:
    """Noise that has an edge: uniform."""
    return rng.uniform(10, 14, LENGTH)


def daily(rng: np.random.Generator) -> Floats:
    """A daily curve with little noise."""
    return _daily(rng) + rng.normal(0, 0.5, LENGTH)


def weekly(rng: np.random.Generator) -> Floats:
    """A daily curve that is flatter at weekends, with noise."""
    weekend = np.arange(LENGTH) // DAY % 7 >= 5
    return _daily(rng) * np.where(weekend, 0.4, 1.0) + rng.normal(0, 1, LENGTH)


def wandering(rng: np.random.Generator) -> Floats:
    """An autoregressive process that comes back within hours, with noise."""
    value = np.zeros(LENGTH)
    for at, push in enumerate(rng.normal(0, 0.3, LENGTH - 1), 1):
        value[at] = 0.98 * value[at - 1] + push
    return 50 + value + rng.normal(0, 0.2, LENGTH)


def walk(rng: np.random.Generator) -> Floats:
    """A random walk."""
    return np.cumsum(rng.normal(0, 1, LENGTH))


def counts(rng: np.random.Generator) -> Floats:
    """Events per interval with a daily rhythm and a heavy tail."""
    rate = np.exp(2 + 0.08 * _daily(rng)) * rng.gamma(2.0, 0.5, LENGTH)
    return rng.poisson(rate).astype(float)


def bursts(rng: np.random.Generator) -> Floats:
    """A quiet level with habitual spikes of log-normal height."""
    return (
        5 + rng.normal(0, 0.2, LENGTH) + np.where(rng.uniform(size=LENGTH) < 0.01, rng.lognormal(1.5, 0.5, LENGTH), 0)
    )


def square(rng: np.random.Generator) -> Floats:
    """Two levels, as of a machine that is switched on every working day."""
    on = (np.arange(LENGTH) + int(rng.integers(DAY))) % DAY > DAY // 2
    return np.where(on, 40.0, 10.0) + rng.normal(0, 1, LENGTH)


CHARACTERS: tuple[Callable[[np.random.Generator], Floats], ...] = (
    white, edged, daily, weekly, wandering, walk, counts, bursts, square,
)  # fmt: skip
SEASONAL = {"daily", "weekly", "square"}
KINDS = ("none", "spike", "level_shift", "variance", "season", "flatline", "out_of_range")
LASTS = {"spike": 2, "level_shift": 144, "variance": 144, "season": 144, "flatline": 72, "out_of_range": 5}
"""Readings."""


@dataclass(frozen=True)
class Labelled:
    """A series with the half-open range of readings that are wrong on purpose; an empty one for none."""

    character: str
    kind: str
    value: Floats
    start: int
    end: int


def labelled(character: Callable[[np.random.Generator], Floats], kind: str, seed: int) -> Labelled:
    """One series; nothing is wrong before its fifth day."""
    name = character.__name__
    rng = np.random.default_rng([seed, *name.encode()])
    value = character(rng)
    start = int(rng.integers(LENGTH * 2 // 5, LENGTH * 9 // 10))
    end = start + LASTS.get(kind, 0)
    rough = float(np.std(np.diff(value)))
    wide = float(np.ptp(value[:start]))
    sign = 1.0 if rng.uniform() < 0.5 else -1.0
    if kind == "spike":
        value[start:end] += sign * max(8 * rough, 0.5 * wide)
    elif kind == "level_shift":
        value[start:end] += sign * max(5 * rough, 0.4 * wide)
    elif kind == "variance":
        value[start:end] += rng.normal(0, 4 * rough, end - start)
    elif kind == "season":
        value[start:end] = value[start - DAY // 2 : end - DAY // 2]
    elif kind == "flatline":
        value[start:end] = value[start]
    elif kind == "out_of_range":
        value[start:end] += sign * 2.5 * wide
    return Labelled(name, kind, value, start, end)
