"""What the model remembers of every series: columns of floats, a row per quantity and a column per series."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

PREDICTORS = ("last value", "fast level", "slow level", "season")
LAST, FAST, SLOW, SEASON = range(4)
JUMP, SHIFT = range(2)

BUCKETS = 48
"""Half hours of the daily profile, in UTC."""


class Columns:
    """Named views of one block of floats, ``(WIDTH, n)``. Times are µs since 1970-01-01 UTC (exact in a double)."""

    last_at: Floats
    count: Floats
    """Readings taken in."""
    age: Floats
    """Readings since the levels were last set anew."""
    interval: Floats
    """Usual time between readings, µs."""
    level: Floats
    """(4, n): last value, fast level, slow level, and what the season is raised by."""
    spread: Floats
    """(4, n): robust standard deviation of each predictor's error."""
    trend: Floats
    """What the fast level usually lies above the slow one."""
    shift_spread: Floats
    """Robust standard deviation of that distance."""
    tail: Floats
    """(2, n): the score that one reading in a thousand exceeds, for jumps and for shifts."""
    low: Floats
    """Smallest value seen."""
    high: Floats
    """Largest value seen."""
    step: Floats
    """Usual size of a change, among readings that changed."""
    moves: Floats
    """Readings that differed from the one before."""
    same: Floats
    """Readings in a row that equalled the one before."""
    same_limit: Floats
    """So many of them are a flatline."""
    same_since: Floats
    """Time of the first of the equal readings."""
    run: Floats
    """Outliers in a row on one side."""
    run_side: Floats
    run_sum: Floats
    open: Floats
    """1 while an event lasts."""
    quiet: Floats
    """Usual readings in a row since the last unusual one."""
    held_at: Floats
    """Time of an outlier that is not reported yet, because the next readings tell its kind; 0 for none."""
    held_value: Floats
    held_score: Floats
    held_low: Floats
    held_high: Floats
    bucket: Floats
    """Number of the half hour since 1970 that is being averaged; 0 for none."""
    bucket_mean: Floats
    bucket_count: Floats
    mean: Floats
    """(4, n): what novelty watches: the reading, two running means, and the mean distance from the daily profile."""
    floor: Floats
    """(4, n): the least that each of them has been."""
    ceiling: Floats
    """(4, n): the most."""
    shown: Floats
    """(4, n): readings that each of them has taken in."""
    novelty: Floats
    """Of the event that lasts, fading."""

    def __init__(self, block: Floats) -> None:
        self.block = block
        for name, place in _PLACES.items():
            setattr(self, name, block[place])


def _places() -> tuple[dict[str, int | slice], int]:
    deep = {"level": 4, "spread": 4, "tail": 2, "mean": 4, "floor": 4, "ceiling": 4, "shown": 4}
    places: dict[str, int | slice] = {}
    at = 0
    for name in Columns.__annotations__:
        depth = deep.get(name)
        places[name] = at if depth is None else slice(at, at + depth)
        at += depth or 1
    return places, at


_PLACES, WIDTH = _places()


@dataclass(frozen=True)
class Series:
    """Identity of a series, with the unit its values were last in."""

    source: str
    category: str
    unit: str | None


@dataclass
class Table:
    """The memory of all series; grows as series appear, by doubling. About 850 bytes a series."""

    capacity_limit: int = 100_000
    """Series beyond it are not watched, so that names made up by a faulty source cannot exhaust memory."""
    series: list[Series] = field(default_factory=list)
    block: Floats = field(default_factory=lambda: np.zeros((WIDTH, 16)))
    profile: Floats = field(default_factory=lambda: np.full((16, BUCKETS), np.nan))
    """(series, BUCKETS): mean of each half hour of the day; NaN until it has been seen."""
    _rows: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = {(one.source, one.category): row for row, one in enumerate(self.series)}

    def copy(self) -> "Table":
        """A copy that later readings do not change."""
        size = len(self.series)
        return Table(self.capacity_limit, list(self.series), self.block[:, :size].copy(), self.profile[:size].copy())

    def __len__(self) -> int:
        return len(self.series)

    def row(self, source: str, category: str, unit: str | None) -> int | None:
        """Number of the series, new ones added; None when there is no room for another."""
        row = self._rows.get((source, category))
        if row is not None:
            if self.series[row].unit != unit:
                self.series[row] = Series(source, category, unit)
            return row
        row = len(self.series)
        if row >= self.capacity_limit:
            return None
        if row >= self.profile.shape[0]:
            more = max(16, row)
            self.block = np.concatenate([self.block, np.zeros((WIDTH, more))], axis=1)
            self.profile = np.concatenate([self.profile, np.full((more, BUCKETS), np.nan)])
        self.series.append(Series(source, category, unit))
        self._rows[source, category] = row
        return row

    def take(self, rows: Integers) -> Columns:
        """A copy of the columns of ``rows``, in their order."""
        return Columns(np.take(self.block, rows, axis=1))

    def put(self, rows: Integers, columns: Columns) -> None:
        """Writes ``columns`` back to ``rows``, which must be distinct."""
        self.block[:, rows] = columns.block
