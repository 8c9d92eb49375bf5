"""Rollups: count, sum, sum of squares and extremes per series and minute, hour and day.

Inserts add to them in the same transaction. Whatever changes or removes a record recomputes the buckets it touched:
lock the bucket rows in order first, then read the level below.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.store.records import Columns, Floats, datetimes

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Tier:
    """One level of rollups and the level that it is recomputed from."""

    table: str
    seconds: int

    def bucket_of(self, at: datetime) -> datetime:
        """The beginning of the bucket that holds the naive UTC instant ``at``."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(seconds=(at - midnight) // timedelta(seconds=self.seconds) * self.seconds)


MINUTE = Tier("rollups_minute", 60)
HOUR = Tier("rollups_hour", 3_600)
DAY = Tier("rollups_day", 86_400)
TIERS = (MINUTE, HOUR, DAY)

_ADD = """
INSERT INTO {table} (series_id, bucket, `count`, total, total_squares, minimum, maximum)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON DUPLICATE KEY UPDATE `count` = `count` + VALUES(`count`), total = total + VALUES(total),
  total_squares = total_squares + VALUES(total_squares),
  minimum = LEAST(minimum, VALUES(minimum)), maximum = GREATEST(maximum, VALUES(maximum))
"""
_LOCK = """
INSERT INTO {table} (series_id, bucket, `count`, total, total_squares, minimum, maximum)
VALUES (:series_id, :bucket, 0, 0, 0, 0, 0) ON DUPLICATE KEY UPDATE `count` = `count`
"""
# A plain SELECT reads what is committed and waits for nobody; the same inside an UPDATE would lock the rows it reads,
# and wait for a writer that waits for our bucket.
_FROM_RECORDS = """
SELECT COUNT(*) AS `count`, SUM(value) AS total, SUM(POW(value - series.origin, 2)) AS total_squares,
       MIN(value) AS minimum, MAX(value) AS maximum
FROM records JOIN series ON series.id = records.series_id
WHERE records.series_id = :series_id AND observed_at >= :bucket AND observed_at < :following
"""
_FROM_FINER = """
SELECT COALESCE(SUM(`count`), 0) AS `count`, SUM(total) AS total, SUM(total_squares) AS total_squares,
       MIN(minimum) AS minimum, MAX(maximum) AS maximum
FROM {finer} WHERE series_id = :series_id AND bucket >= :bucket AND bucket < :following
"""
_SET = """
UPDATE {table} SET `count` = :count, total = :total, total_squares = :total_squares, minimum = :minimum,
  maximum = :maximum
WHERE series_id = :series_id AND bucket = :bucket
"""
_DROP = "DELETE FROM {table} WHERE series_id = :series_id AND bucket = :bucket"


async def add(connection: AsyncConnection, columns: Columns, origins: Floats) -> None:
    """Add newly stored readings to their buckets.

    Args:
        connection: in the transaction that stored them.
        columns: the readings, in key order.
        origins: per reading the origin of its series.
    """
    if not len(columns):
        return
    squares = (columns.value - origins) ** 2
    level = _Level(
        columns.series_id, columns.observed_at, np.ones(len(columns), np.int64), columns.value, squares,
        columns.value, columns.value,
    )  # fmt: skip
    for tier in TIERS:
        level = level.grouped(tier.seconds * _MICROSECONDS)
        await connection.exec_driver_sql(_ADD.format(table=tier.table), level.rows())


@dataclass(frozen=True)
class _Level:
    """Aggregates in the order (series, time); each coarser level is grouped from the finer one."""

    series_id: np.ndarray
    at: np.ndarray
    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def grouped(self, width: int) -> "_Level":
        bucket = self.at - self.at % width
        starts = np.flatnonzero(np.append(True, (np.diff(self.series_id) != 0) | (np.diff(bucket) != 0)))
        return _Level(
            self.series_id[starts],
            bucket[starts],
            np.add.reduceat(self.count, starts),
            np.add.reduceat(self.total, starts),
            np.add.reduceat(self.squares, starts),
            np.minimum.reduceat(self.low, starts),
            np.maximum.reduceat(self.high, starts),
        )

    def rows(self) -> list[tuple[object, ...]]:
        columns = (self.count, self.total, self.squares, self.low, self.high)
        return list(
            zip(self.series_id.tolist(), datetimes(self.at), *(column.tolist() for column in columns), strict=True)
        )


async def recompute(connection: AsyncConnection, touched: Iterable[tuple[int, datetime]]) -> None:
    """Bring every bucket that holds one of ``touched`` in line with the records.

    Args:
        connection: in the transaction that changed or removed those records.
        touched: (series id, naive UTC instant) of each changed record.
    """
    records = set(touched)
    finer: Tier | None = None
    for tier in TIERS:
        width = timedelta(seconds=tier.seconds)
        buckets = [
            {"series_id": series_id, "bucket": bucket, "following": bucket + width}
            for series_id, bucket in sorted({(series_id, tier.bucket_of(at)) for series_id, at in records})
        ]
        source = _FROM_RECORDS if finer is None else _FROM_FINER.format(finer=finer.table)
        for bucket in buckets:
            await connection.execute(text(_LOCK.format(table=tier.table)), bucket)
        for bucket in buckets:
            found = (await connection.execute(text(source), bucket)).mappings().one()
            change = _SET if found["count"] else _DROP
            await connection.execute(text(change.format(table=tier.table)), {**bucket, **found})
        finer = tier
