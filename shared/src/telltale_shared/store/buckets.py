"""Buckets that are to be computed again, and reading what they are computed from in bounded statements."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import instant
from telltale_shared.store.levels import Level
from telltale_shared.store.records import Columns, Floats, Integers, datetimes
from telltale_shared.store.schema import series
from telltale_shared.store.tiers import Tier

PAGE_ROWS = 50_000
"""Records that one statement reads at most."""
_SHAPES = (1, 4, 16)
"""Spans that one statement names: few shapes, so that the statements stay prepared; more than 16 cost the optimiser
more than a second statement."""

_SPAN = "({table}.series_id = %s AND {table}.{time} >= %s AND {table}.{time} < %s)"
_RECORDS = """
SELECT series_id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', observed_at), value
FROM records FORCE INDEX (PRIMARY) WHERE {spans} ORDER BY series_id, observed_at LIMIT {limit}
"""
# An empty row is only there to be held by a transaction.
_ROWS = """
SELECT STRAIGHT_JOIN tier.series_id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', tier.bucket),
  `count`, total, total_squares, minimum, maximum, bins
FROM {table} AS tier LEFT JOIN {sketches} AS s ON s.series_id = tier.series_id AND s.bucket = tier.bucket
WHERE ({spans}) AND `count` > 0 ORDER BY tier.series_id, tier.bucket
"""

Span = tuple[int, datetime, datetime]
"""Series id, begin and end (naive UTC; half-open)."""


@dataclass(frozen=True)
class Buckets:
    """Distinct buckets of a tier, in key order."""

    tier: Tier
    series_id: Integers
    at: Integers
    """Where each begins, µs since 1970-01-01 UTC."""

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def holding(cls, tier: Tier, series_id: Integers, at: Integers) -> "Buckets":
        """Those that hold the given instants, which come in any order."""
        bucket = at - at % tier.width
        order = np.lexsort((bucket, series_id))
        series_id, bucket = series_id[order], bucket[order]
        first = np.append(True, (np.diff(series_id) != 0) | (np.diff(bucket) != 0))[: len(order)]
        return cls(tier, series_id[first], bucket[first])

    def keys(self) -> list[tuple[int, datetime]]:
        """(series id, naive UTC begin) of each."""
        return list(zip(self.series_id.tolist(), datetimes(self.at), strict=True))

    def portions(self, size: int) -> Iterator["Buckets"]:
        """These buckets, ``size`` at a time."""
        for begin in range(0, len(self), size):
            portion = slice(begin, begin + size)
            yield Buckets(self.tier, self.series_id[portion], self.at[portion])

    def spans(self) -> list[Span]:
        """The time that they cover: adjacent ones together."""
        starts = np.flatnonzero(
            np.append(True, (np.diff(self.series_id) != 0) | (np.diff(self.at) != self.tier.width))[: len(self)]
        )
        ends = np.append(starts[1:], len(self))[: len(starts)] - 1
        return [
            (series_id, instant(begin), instant(last + self.tier.width))
            for series_id, begin, last in zip(
                self.series_id[starts].tolist(), self.at[starts].tolist(), self.at[ends].tolist(), strict=True
            )
        ]


async def read_records(connection: AsyncConnection, buckets: Buckets) -> tuple[Columns, Floats]:
    """The records in ``buckets`` (a few) in key order, and of each the origin of its series."""
    pages = [page for spans in _few(buckets.spans()) async for page in _pages(connection, spans)]
    columns = Columns(
        np.concatenate([page.series_id for page in pages]),
        np.concatenate([page.observed_at for page in pages]),
        np.concatenate([page.value for page in pages]),
    )
    return columns, await _origins(connection, columns.series_id)


async def read_rows(connection: AsyncConnection, buckets: Buckets, tier: Tier) -> tuple[Level, list[bytes]]:
    """The rows that ``tier``, theirs or a finer one, has of ``buckets`` (a few), in key order, with their sketches.

    A row that was stored before there were sketches has an empty one.
    """
    rows: list[Any] = []
    for spans in _few(buckets.spans()):
        statement = _ROWS.format(table=tier.table, sketches=tier.sketches, spans=_named("tier", "bucket", spans))
        rows += (await connection.exec_driver_sql(statement, _parameters(spans))).all()
    return Level.of_rows(rows), [row[7] or b"" for row in rows]


async def _pages(connection: AsyncConnection, spans: Sequence[Span]) -> AsyncIterator[Columns]:
    remaining = list(spans)
    while remaining:
        statement = _RECORDS.format(spans=_named("records", "observed_at", remaining), limit=PAGE_ROWS)
        rows: Sequence[Any] = (await connection.exec_driver_sql(statement, _parameters(remaining))).all()
        ids = [row[0] for row in rows]
        instants = [row[1] for row in rows]
        values = [row[2] for row in rows]
        yield Columns(np.array(ids, np.int64), np.array(instants, np.int64), np.array(values, np.float64))
        if len(rows) < PAGE_ROWS:
            return
        last, next_at = ids[-1], instant(instants[-1] + 1)
        remaining = [(one, max(begin, next_at) if one == last else begin, end) for one, begin, end in remaining]
        remaining = [(one, begin, end) for one, begin, end in remaining if one >= last and begin < end]


async def _origins(connection: AsyncConnection, series_id: Integers) -> Floats:
    known, which = np.unique(series_id, return_inverse=True)
    rows = await connection.execute(select(series.c.id, series.c.origin).where(series.c.id.in_(known.tolist())))
    origins = {row.id: row.origin for row in rows}
    found: Floats = np.array([origins.get(one, 0.0) for one in known.tolist()], np.float64)[which]
    return found


def _few(spans: Sequence[Span]) -> Iterator[Sequence[Span]]:
    return (spans[begin : begin + _SHAPES[-1]] for begin in range(0, len(spans), _SHAPES[-1]))


def _shape(spans: Sequence[Span]) -> int:
    return next(shape for shape in _SHAPES if shape >= len(spans))


def _named(table: str, time: str, spans: Sequence[Span]) -> str:
    return " OR ".join([_SPAN.format(table=table, time=time)] * _shape(spans))


def _parameters(spans: Sequence[Span]) -> tuple[Any, ...]:
    """The last one again and again up to a shape: the optimiser makes one of equal ranges."""
    return tuple(chain.from_iterable([*spans, *[spans[-1]] * (_shape(spans) - len(spans))]))
