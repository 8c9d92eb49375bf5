"""Aggregates of readings over any range: rollups in its middle, raw rows at its ragged edges, so they are exact."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.cutting import cut
from telltale_query.selection import Selection
from telltale_query.tiered import numbers
from telltale_shared.store.tiers import TIERS

_NOTHING = (0, 0.0, 0.0, math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Count, sum, extremes and spread of some readings; two of them add up."""

    count: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    mean: float = 0.0
    deviations: float = 0.0
    """Sum of the squared deviations from the mean."""

    @classmethod
    def of(cls, count: int, total: float, squares: float, minimum: float, maximum: float, origin: float) -> "Aggregate":
        """From the sum of squares around ``origin``, as rollups hold it."""
        mean = total / count
        return cls(count, total, minimum, maximum, mean, max(0.0, squares - count * (mean - origin) ** 2))

    def __add__(self, other: "Aggregate") -> "Aggregate":
        """Both together; the spread by the parallel formula of Chan, Golub and LeVeque (1979)."""
        count = self.count + other.count
        if not count:
            return self
        apart = other.mean - self.mean
        return Aggregate(
            count,
            self.total + other.total,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            (self.total + other.total) / count,
            self.deviations + other.deviations + apart * apart * self.count * other.count / count,
        )

    @property
    def stddev(self) -> float:
        """Standard deviation of exactly these readings (not an estimate for more)."""
        return math.sqrt(self.deviations / self.count) if self.count else 0.0


def together(aggregates: Iterable[Aggregate]) -> Aggregate:
    """All of ``aggregates`` as one."""
    return sum(aggregates, Aggregate())


async def aggregate_by_series(connection: AsyncConnection, selection: Selection) -> dict[int, Aggregate]:
    """Per series that has readings in ``selection``: their aggregate. One statement, so one state of the database."""
    if not selection.series:
        return {}
    sources = cut(selection.range, TIERS if selection.whole_buckets_count else ())
    origins = {one.id: one.origin for one in selection.series}
    # Added up here: the database would keep the rows of all sources in a temporary table to group them once more.
    found: dict[int, tuple[int, float, float, float, float]] = {}
    for series_id, count, total, low, high, squares in (await connection.execute(numbers(selection, sources))).all():
        # A bucket without readings is about to go.
        if count:
            n, sum_, squares_, lowest, highest = found.get(series_id, _NOTHING)
            found[series_id] = (n + int(count), sum_ + total, squares_ + squares, min(lowest, low), max(highest, high))
    # A series may have been born between the two statements.
    return {
        series_id: Aggregate.of(*sums, origins[series_id]) for series_id, sums in found.items() if series_id in origins
    }
