"""Aggregates of readings over any range: rollups in its middle, raw rows at its ragged edges, so they are exact."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, literal_column, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.selection import Range, Selection
from telltale_shared.instants import EPOCH
from telltale_shared.store import schema
from telltale_shared.store.rollups import DAY, HOUR, MINUTE, Tier

_ROLLUPS = {MINUTE: schema.rollups_minute, HOUR: schema.rollups_hour, DAY: schema.rollups_day}
_FINEST_FIRST = (MINUTE, HOUR, DAY)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a range that one tier of rollups answers, or raw rows where ``tier`` is None."""

    tier: Tier | None
    start: datetime
    end: datetime


def pieces(wanted: Range, *, widest: int = DAY.seconds) -> Iterator[Piece]:
    """Cut ``wanted`` into as few pieces as answer it exactly, none overlapping.

    Args:
        wanted: the whole range.
        widest: seconds of the widest bucket that a piece may consist of.
    """
    tiers = [tier for tier in _FINEST_FIRST if widest % tier.seconds == 0]
    yield from _pieces(wanted.start, wanted.end, None, tiers)


def _pieces(start: datetime, end: datetime, tier: Tier | None, coarser: list[Tier]) -> Iterator[Piece]:
    if start >= end:
        return
    if coarser:
        following, *rest = coarser
        inner_start, inner_end = _ceiling(start, following), following.bucket_of(end)
        if inner_start < inner_end:
            yield from _piece(tier, start, inner_start)
            yield from _pieces(inner_start, inner_end, following, rest)
            yield from _piece(tier, inner_end, end)
            return
    yield Piece(tier, start, end)


def _piece(tier: Tier | None, start: datetime, end: datetime) -> Iterator[Piece]:
    if start < end:
        yield Piece(tier, start, end)


def _ceiling(at: datetime, tier: Tier) -> datetime:
    bucket = tier.bucket_of(at)
    return bucket if bucket == at else bucket + timedelta(seconds=tier.seconds)


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
    parts = union_all(*_parts(selection, DAY.seconds, None)).subquery()
    statement = select(
        parts.c.series_id, func.sum(parts.c.n), func.sum(parts.c.total), func.sum(parts.c.squares),
        func.min(parts.c.low), func.max(parts.c.high),
    ).group_by(parts.c.series_id)  # fmt: skip
    origins = {one.id: one.origin for one in selection.series}
    return {
        series_id: Aggregate.of(int(count), total, squares, low, high, origins[series_id])
        for series_id, count, total, squares, low, high in await connection.execute(statement)
        # A series may have been born between the two statements.
        if series_id in origins
    }


@dataclass(frozen=True, slots=True)
class Bucket:
    """The readings of one series in one bucket of time."""

    series_id: int
    start: datetime
    count: int
    total: float
    minimum: float
    maximum: float


async def aggregate_by_bucket(connection: AsyncConnection, selection: Selection, *, width: int) -> list[Bucket]:
    """Per series and bucket that holds readings of ``selection``: their aggregate, by series and time.

    Args:
        connection: to read with.
        selection: which readings.
        width: seconds of a bucket; buckets begin at multiples of it since 1970-01-01 UTC.
    """
    if not selection.series:
        return []
    parts = union_all(*_parts(selection, width, width)).subquery()
    statement = (
        select(
            parts.c.series_id, parts.c.slot, func.sum(parts.c.n), func.sum(parts.c.total), func.min(parts.c.low),
            func.max(parts.c.high),
        )
        .group_by(parts.c.series_id, parts.c.slot)
        .order_by(parts.c.series_id, parts.c.slot)
    )  # fmt: skip
    return [
        Bucket(series_id, EPOCH + timedelta(seconds=int(slot) * width), int(count), total, low, high)
        for series_id, slot, count, total, low, high in await connection.execute(statement)
    ]


def _parts(selection: Selection, widest: int, width: int | None) -> list[Select[Any]]:
    """One SELECT per piece of the range; with ``width`` also per bucket of so many seconds (``slot``)."""
    if not selection.whole_buckets_count:
        return [_from_records(selection, selection.range, width)]
    return [
        _from_records(selection, Range(piece.start, piece.end), width)
        if piece.tier is None
        else _from_rollups(selection, piece.tier, Range(piece.start, piece.end), width)
        for piece in pieces(selection.range, widest=widest)
    ]


def _slot(column: str, width: int | None) -> list[Any]:
    return [] if width is None else [
        literal_column(f"TIMESTAMPDIFF(SECOND, '1970-01-01', {column}) DIV {width:d}").label("slot")
    ]  # fmt: skip


def _from_records(selection: Selection, part: Range, width: int | None) -> Select[Any]:
    records, series = schema.records, schema.series
    slot = _slot("records.observed_at", width)
    return (
        select(
            records.c.series_id,
            *slot,
            func.count().label("n"),
            func.sum(records.c.value).label("total"),
            func.sum(func.pow(records.c.value - series.c.origin, 2)).label("squares"),
            func.min(records.c.value).label("low"),
            func.max(records.c.value).label("high"),
        )
        .prefix_with("STRAIGHT_JOIN")
        .select_from(selection.source().join(series, series.c.id == records.c.series_id))
        .where(*selection.along_key(), *part.holds(records.c.observed_at), *selection.of_values())
        .group_by(records.c.series_id, *(text("slot") for _ in slot))
    )


def _from_rollups(selection: Selection, tier: Tier, part: Range, width: int | None) -> Select[Any]:
    rollup = _ROLLUPS[tier]
    slot = _slot(f"{rollup.name}.bucket", width)
    return (
        select(
            rollup.c.series_id,
            *slot,
            func.sum(rollup.c.count).label("n"),
            func.sum(rollup.c.total).label("total"),
            func.sum(rollup.c.total_squares).label("squares"),
            func.min(rollup.c.minimum).label("low"),
            func.max(rollup.c.maximum).label("high"),
        )
        .where(*selection.of_series(rollup), *part.holds(rollup.c.bucket), rollup.c.count > 0)
        .group_by(rollup.c.series_id, *(text("slot") for _ in slot))
    )
