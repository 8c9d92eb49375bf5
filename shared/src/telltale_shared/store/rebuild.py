"""Rebuild: make the rollups again from the records, in small steps, beside writers, edits and imports."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import in_transaction
from telltale_shared.instants import EPOCH, instant
from telltale_shared.store.differences import Differences
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.rollups import recompute_at
from telltale_shared.store.schema import series
from telltale_shared.store.sketches import Sketch
from telltale_shared.store.tiers import DAY, MINUTE, TIERS

STEP_ROWS = 20_000
"""Records that one step reads at most, but always those of at least a minute."""
DAYS_AT_ONCE = 200
ATTEMPTS = 20
END = EPOCH.replace(year=9999)

_TABLES = tuple(table for tier in TIERS for table in (tier.table, tier.sketches))
_OLDEST_RECORD = """
SELECT MIN(observed_at) AS at FROM records
WHERE series_id = :series_id AND observed_at >= :begin AND observed_at < :end
"""
_OLDEST_BUCKET = """
SELECT MIN(bucket) FROM {table} WHERE series_id = :series_id AND bucket >= :begin AND bucket < :end
"""
_OLDEST = " UNION ALL ".join([_OLDEST_RECORD, *(_OLDEST_BUCKET.format(table=table) for table in _TABLES)])
_DAYS = text("""
SELECT d.bucket, d.`count`, s.bins
FROM rollups_day AS d LEFT JOIN sketches_day AS s ON s.series_id = d.series_id AND s.bucket = d.bucket
WHERE d.series_id = :series_id AND d.bucket >= :begin AND d.bucket < :end ORDER BY d.bucket LIMIT :limit
""")
_MINUTES_OF_RECORDS = text("""
SELECT TIMESTAMPDIFF(MINUTE, '1970-01-01', observed_at) AS minute, COUNT(*)
FROM (
  SELECT observed_at FROM records WHERE series_id = :series_id AND observed_at >= :begin AND observed_at < :end
  ORDER BY observed_at LIMIT :limit
) AS page GROUP BY minute ORDER BY minute
""")
_MINUTES_OF_BUCKETS = """
SELECT TIMESTAMPDIFF(MINUTE, '1970-01-01', bucket) FROM {table}
WHERE series_id = :series_id AND bucket >= :begin AND bucket < :end
"""
_STORED = text(" UNION ".join(_MINUTES_OF_BUCKETS.format(table=table) for table in _TABLES))


@dataclass(frozen=True)
class Step:
    """One step that is done: the buckets of a series from ``begin`` to ``end`` (naive UTC) are as they should be."""

    source: str
    category: str
    position: int
    """Of the series among those that are rebuilt, counted from 1."""
    of: int
    begin: datetime
    end: datetime
    differences: Differences


async def rebuild(
    engine: AsyncEngine,
    *,
    sources: Sequence[str] = (),
    categories: Sequence[str] = (),
    begin: datetime = EPOCH,
    end: datetime = END,
    only_missing_sketches: bool = False,
) -> AsyncIterator[Step]:
    """Compare the rollups with the records, and correct what differs. Each step is a transaction of its own.

    It may be stopped between any two steps and run again. It stops at the horizon: what is older has no records.

    Args:
        engine: of the database.
        sources: of the series to rebuild; none: all.
        categories: of the series to rebuild; none: all.
        begin: naive UTC; the UTC day that holds it is rebuilt as a whole.
        end: naive UTC, exclusive; likewise.
        only_missing_sketches: whether days whose sketch is complete are left out.
    """
    async with engine.connect() as connection:
        chosen = select(series.c.id, series.c.source, series.c.category).order_by(series.c.id)
        if sources:
            chosen = chosen.where(series.c.source.in_(sources))
        if categories:
            chosen = chosen.where(series.c.category.in_(categories))
        found = (await connection.execute(chosen)).all()
        horizon = await hold_horizon(connection)
    begin = DAY.bucket_of(max(begin, horizon) if horizon else begin)
    for position, (series_id, source, category) in enumerate(found, start=1):
        at = begin
        while (at := await _next(engine, series_id, at, end, only_missing_sketches)) < end:
            midnight = DAY.bucket_of(at) + timedelta(days=1)
            while at < midnight:
                work = partial(_rebuild_some, series_id=series_id, begin=at, end=midnight)
                until, differences = await in_transaction(engine, work, attempts=ATTEMPTS)
                yield Step(source, category, position, len(found), at, until, differences)
                at = until


async def _next(engine: AsyncEngine, series_id: int, begin: datetime, end: datetime, only_missing: bool) -> datetime:
    """The first day from ``begin`` on with something to do, or ``end``."""
    range_ = {"series_id": series_id, "begin": begin, "end": end}
    async with engine.connect() as connection:
        if not only_missing:
            found = (await connection.execute(text(_OLDEST), range_)).scalars()
            return min((DAY.bucket_of(at) for at in found if at is not None), default=end)
        while True:
            days = (await connection.execute(_DAYS, {**range_, "limit": DAYS_AT_ONCE})).all()
            bucket: datetime
            for bucket, count, bins in days:
                if Sketch.from_blobs([bins or b""]).count != count:
                    return bucket
            if len(days) < DAYS_AT_ONCE:
                return end
            range_["begin"] = days[-1].bucket + timedelta(days=1)


async def _rebuild_some(
    connection: AsyncConnection, *, series_id: int, begin: datetime, end: datetime
) -> tuple[datetime, Differences]:
    """Rebuild from ``begin`` on, up to ``end`` or as far as the records of one step reach. Returns how far that was."""
    range_ = {"series_id": series_id, "begin": begin, "end": end}
    found = (await connection.execute(_MINUTES_OF_RECORDS, {**range_, "limit": STEP_ROWS})).all()
    minutes = [minute for minute, _ in found]
    if sum(count for _, count in found) == STEP_ROWS:
        # The last minute may go on: it belongs to the next step, unless it is all there is.
        last = minutes.pop() if len(minutes) > 1 else minutes[0] + 1
        range_["end"] = end = instant(last * MINUTE.width)
    minutes += (await connection.execute(_STORED, range_)).scalars()
    at = np.unique(np.array(minutes, np.int64)) * MINUTE.width
    differences = Differences()
    await recompute_at(connection, np.full(len(at), series_id), at, differences)
    return end, differences
