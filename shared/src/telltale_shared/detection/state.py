"""What the model remembers of every series: columns of floats, a row per quantity and a column per series."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from telltale_shared.detection.tuning import TUNING

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

PREDICTORS = ("last value", "fast level", "slow level", "season")
LAST, FAST, SLOW, SEASON = range(4)
JUMP, SHIFT, UNREST = range(3)
"""Distances in usual spreads: of the reading, of the level, and of the noise."""
VALUE, MEAN, SEASON_ERROR = range(3)
"""What novelty watches: the reading, its running mean, and the mean distance from the daily profile."""
SIZES = 16
"""Half octaves by which rarity counts distances: from 4 to 1,000 spreads."""
SPIKE, LEVEL_SHIFT, VARIANCE, OFF_SEASON, FLATLINE, OUT_OF_RANGE = range(6)
"""Places of the kinds of anomalies in ``Columns.limit``."""


class Kind(StrEnum):
    """What makes a reading unusual; in the order of the places above."""

    SPIKE = "spike"
    """It jumped out of the expected range and came back."""
    LEVEL_SHIFT = "level_shift"
    """It moved to another level and stays there."""
    VARIANCE = "variance"
    """It scatters more than it used to."""
    SEASON = "season"
    """It is not where it usually is at this time of day."""
    FLATLINE = "flatline"
    """It stands still, though it used to move."""
    OUT_OF_RANGE = "out_of_range"
    """It lies clearly beyond everything seen so far."""


KINDS = tuple(Kind)
PLACE = {kind: place for place, kind in enumerate(KINDS)}
_DEFAULTS = dict.fromkeys(KINDS, TUNING.threshold)

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
    unrest: Floats
    """Mean of the last 20 absolute errors, an outlier counted as ``winsor`` spreads."""
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
    limit: Floats
    """(6, n): the score from which each kind is worth an alarm."""
    lasting: Floats
    """Score of what was told last, fading."""
    open: Floats
    """1 while an event lasts that gave an alarm."""
    quiet: Floats
    """Usual readings in a row since the last unusual one."""
    held_at: Floats
    """Time of an outlier that is not reported yet, because the next readings tell its kind; 0 for none."""
    held_value: Floats
    held_score: Floats
    held_low: Floats
    held_high: Floats
    held_for: Floats
    """Readings since then."""
    held_once: Floats
    """One as unusual comes once in so many readings."""
    bucket: Floats
    """Number of the half hour since 1970 that is being averaged; 0 for none."""
    bucket_mean: Floats
    bucket_count: Floats
    mean: Floats
    """(3, n): what novelty watches."""
    floor: Floats
    """(3, n): the least that each of them has been."""
    ceiling: Floats
    """(3, n): the most."""
    shown: Floats
    """(3, n): readings that each of them has taken in."""
    calm: Floats
    """(3, n): readings since the last notable distance."""
    peak: Floats
    """(3, n): largest distance of the event that lasts; 0 for none."""
    seen: Floats
    """Readings among which distances were counted."""
    sizes: Floats
    """(3 * SIZES, n): events by the largest distance in them."""

    def __init__(self, block: Floats) -> None:
        self.block = block
        for name, place in _PLACES.items():
            setattr(self, name, block[place])


def _places() -> tuple[dict[str, int | slice], int]:
    deep = {"level": 4, "spread": 4, "limit": 6, "mean": 3, "floor": 3, "ceiling": 3, "shown": 3}
    deep |= {"calm": 3, "peak": 3, "sizes": 3 * SIZES}
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
    """The memory of all series; grows as series appear, by doubling. About 1.3 KB a series."""

    capacity_limit: int = 100_000
    """Series beyond it are not watched, so that names made up by a faulty source cannot exhaust memory."""
    series: list[Series] = field(default_factory=list)
    block: Floats = field(default_factory=lambda: np.zeros((WIDTH, 16)))
    profile: Floats = field(default_factory=lambda: np.full((16, BUCKETS), np.nan))
    """(series, BUCKETS): mean of each half hour of the day; NaN until it has been seen."""
    limits: dict[tuple[str, str], dict[Kind, float]] = field(default_factory=dict)
    """Of the series that are not watched as by default, known or not, by source and category."""
    _rows: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = {(one.source, one.category): row for row, one in enumerate(self.series)}

    def copy(self) -> "Table":
        """A copy that later readings do not change."""
        size = len(self.series)
        block, profile = self.block[:, :size].copy(), self.profile[:size].copy()
        return Table(self.capacity_limit, list(self.series), block, profile, dict(self.limits))

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
        self.set_limits(row, _DEFAULTS | self.limits.get((source, category), {}))
        return row

    def adopt(self, limits: dict[tuple[str, str], dict[Kind, float]]) -> None:
        """Watches the series named as ``limits`` say, from their next reading on, and all others as by default."""
        changed = self.limits.keys() | limits.keys()
        self.limits = limits
        for name in changed:
            if name in self._rows:
                self.set_limits(self._rows[name], _DEFAULTS | limits.get(name, {}))

    def set_limits(self, row: int, limits: Mapping[Kind, float]) -> None:
        """From which score each kind is worth an alarm, from the next reading on; kinds left out keep theirs."""
        limit = Columns(self.block).limit
        for kind, least in limits.items():
            limit[PLACE[kind], row] = least

    def take(self, rows: Integers) -> Columns:
        """A copy of the columns of ``rows``, in their order."""
        return Columns(np.take(self.block, rows, axis=1))

    def put(self, rows: Integers, columns: Columns) -> None:
        """Writes ``columns`` back to ``rows``, which must be distinct."""
        first = int(rows[0])
        if np.array_equal(rows, np.arange(first, first + rows.size)):
            # As they were first met, which is how they mostly come: half of the cost of a round otherwise.
            self.block[:, first : first + rows.size] = columns.block
        else:
            self.block[:, rows] = columns.block
