"""The readings of the store: seeded, so that the same arguments always make the same ones."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

SECOND = 1_000_000
DAY = 86_400 * SECOND

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BEGINS = datetime(2026, 10, 23, 6, 47, 11, tzinfo=UTC)
"""Neither on an hour nor on a minute; two days later clocks in Europe go back."""
SILENT_SHARE = 0.002
"""More than the share of the time in which series are silent: added to the length, so that no record is missing."""
SILENT_DAYS = 1 / 20
"""Days on which a series is silent for a while."""
SILENCE = (0.007, 0.02)
"""How long that while is, as a share of the day: 10 to 29 minutes of a whole one."""
SPIKES_A_DAY = 3
"""Anomalies of a series and day."""

Signal = Callable[[np.random.Generator, Floats], Floats]
"""Values at times (s since the beginning), drawn for one series and one day."""


def _temperature(draw: np.random.Generator, at: Floats) -> Floats:
    slow = 4 * np.sin(2 * math.pi * at / 86_400) + np.sin(2 * math.pi * at / 5_400)
    return np.round(61 + slow + draw.normal(0, 0.3, len(at)), 2)


def _pressure(draw: np.random.Generator, at: Floats) -> Floats:
    return np.round(6.2 + 0.3 * np.sin(2 * math.pi * at / 1_800) + draw.normal(0, 0.02, len(at)), 3)


def _humidity(draw: np.random.Generator, at: Floats) -> Floats:
    return np.round(45 + 12 * np.sin(2 * math.pi * at / 86_400 + 1) + draw.normal(0, 0.5, len(at)), 1)


def _vibration(draw: np.random.Generator, at: Floats) -> Floats:
    return np.round(draw.lognormal(0.6, 0.5, len(at)), 3)


def _parts(draw: np.random.Generator, at: Floats) -> Floats:
    return np.floor(at * 0.4)


def _power(draw: np.random.Generator, at: Floats) -> Floats:
    busy = at % 900 < 600
    return np.round(np.where(busy, 22, 1.5) + draw.normal(0, 0.4, len(at)), 2)


def _level(draw: np.random.Generator, at: Floats) -> Floats:
    return np.round(0.2 + at % 7_200 / 7_200 * 3 + draw.normal(0, 0.005, len(at)), 3)


def _imbalance(draw: np.random.Generator, at: Floats) -> Floats:
    return np.round(draw.normal(0, 8, len(at)), 2)


SIGNALS: tuple[tuple[str, str, Signal], ...] = (
    ("temperature", "°C", _temperature),
    ("pressure", "bar", _pressure),
    ("humidity", "%", _humidity),
    ("vibration", "mm/s", _vibration),
    ("parts", "1", _parts),
    ("power", "kW", _power),
    ("level", "m", _level),
    ("imbalance", "mA", _imbalance),
)
"""Category, unit and values: slow and steady ones, a noisy one, a counter, a square wave, one around zero."""


@dataclass(frozen=True)
class Block:
    """The readings of one series on one UTC day, in the order of time."""

    series_id: int
    observed_at: Integers
    """µs since 1970-01-01 UTC."""
    value: Floats
    spikes: npt.NDArray[np.intp]
    """Positions of the anomalies."""

    def __len__(self) -> int:
        return len(self.observed_at)


@dataclass(frozen=True)
class Readings:
    """At least ``records`` readings over ``series`` series at 1 Hz, from ``BEGINS`` on."""

    records: int
    series: int = 200
    seed: int = 1

    @property
    def begins(self) -> int:
        """µs since 1970-01-01 UTC of the first second that has readings."""
        return int(BEGINS.timestamp()) * SECOND

    @property
    def ends(self) -> int:
        """µs since 1970-01-01 UTC of the first second without readings."""
        return self.begins + math.ceil(self.records / self.series * (1 + SILENT_SHARE)) * SECOND

    @property
    def days(self) -> list[datetime]:
        """Midnights (naive UTC) of the days that have readings."""
        first = BEGINS.replace(hour=0, minute=0, second=0, tzinfo=None)
        return [first + timedelta(days=n) for n in range((self.ends - 1) // DAY - self.begins // DAY + 1)]

    def name(self, series_id: int) -> tuple[str, str, str]:
        """Source, category and unit."""
        category, unit, _ = SIGNALS[(series_id - 1) % len(SIGNALS)]
        return f"machine-{(series_id - 1) // len(SIGNALS) + 1:02}", category, unit

    def blocks(self, day: int) -> Iterator[Block]:
        """The readings of the ``day``-th day, series by series, in the order of the clustered key."""
        start = max(self.begins, (self.begins // DAY + day) * DAY)
        end = min(self.ends, (self.begins // DAY + day + 1) * DAY)
        for series_id in range(1, self.series + 1):
            yield self._block(series_id, day, start, end)

    def _block(self, series_id: int, day: int, start: int, end: int) -> Block:
        draw = np.random.default_rng((self.seed, series_id, day))
        # Sensors do not measure on the full second, nor all at once.
        phase = int(np.random.default_rng((self.seed, series_id)).integers(SECOND))
        observed_at = np.arange(start, end, SECOND, dtype=np.int64) + phase
        # Each series lives a while apart from the others, so that they do not all peak at once.
        since = (observed_at - self.begins) / SECOND + series_id * 977
        value = SIGNALS[(series_id - 1) % len(SIGNALS)][2](draw, since)
        spikes = np.sort(draw.choice(len(value), min(len(value), draw.poisson(SPIKES_A_DAY)), replace=False))
        value[spikes] = np.round(value[spikes] * 1.6 + 5, 2)
        keep = np.ones(len(value), dtype=bool)
        if draw.random() < SILENT_DAYS:
            begin = int(draw.integers(len(value)))
            keep[begin : begin + int(len(value) * draw.uniform(*SILENCE))] = False
            keep[spikes] = True
        position = np.cumsum(keep) - 1
        return Block(series_id, observed_at[keep], value[keep] + 0.0, position[spikes])
