"""Rollups: count, sum, sum of squares, extremes and a sketch per series and minute, hour and day.

Inserts add to them in the same transaction. Whatever changes or removes a record recomputes the buckets it touched:
lock the rows of the buckets in order first, then read the level below. The order is that of the tiers, and of the key
within one. The row with the numbers of a bucket guards its sketch, too: who writes the sketch holds that row.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import microseconds
from telltale_shared.store import sketches
from telltale_shared.store.buckets import Buckets, read_records, read_rows
from telltale_shared.store.compaction import compact_by_chance
from telltale_shared.store.differences import Differences
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.levels import Level
from telltale_shared.store.records import Columns, Floats, Integers
from telltale_shared.store.tiers import DAY, HOUR, MINUTE, TIERS, Tier

__all__ = ["DAY", "HOUR", "MINUTE", "TIERS", "Tier", "add", "lock", "recompute", "recompute_at"]

LOCKED_AT_ONCE = 1_000
"""Buckets that one statement locks."""
READ_AT_ONCE = 60
"""Buckets that are read and written at a time: an hour of minutes is 3,600 records at one a second."""

_ADD = """
INSERT INTO {table} (series_id, bucket, `count`, total, total_squares, minimum, maximum)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON DUPLICATE KEY UPDATE `count` = `count` + VALUES(`count`), total = total + VALUES(total),
  total_squares = total_squares + VALUES(total_squares),
  minimum = LEAST(minimum, VALUES(minimum)), maximum = GREATEST(maximum, VALUES(maximum))
"""
_ADD_SKETCH = """
INSERT INTO {table} (series_id, bucket, bins) VALUES (%s, %s, %s)
ON DUPLICATE KEY UPDATE bins = CONCAT(bins, VALUES(bins))
"""
_LOCK = """
INSERT INTO {table} (series_id, bucket, `count`, total, total_squares, minimum, maximum)
VALUES (%s, %s, 0, 0, 0, 0, 0) ON DUPLICATE KEY UPDATE `count` = `count`
"""
_SET = """
UPDATE {table} SET `count` = %s, total = %s, total_squares = %s, minimum = %s, maximum = %s
WHERE series_id = %s AND bucket = %s
"""
_SET_SKETCH = """
INSERT INTO {table} (series_id, bucket, bins) VALUES (%s, %s, %s) ON DUPLICATE KEY UPDATE bins = VALUES(bins)
"""
_DROP = "DELETE FROM {table} WHERE series_id = %s AND bucket = %s"


async def add(connection: AsyncConnection, columns: Columns, origins: Floats) -> None:
    """Add newly stored readings to their buckets.

    Args:
        connection: in the transaction that stored them.
        columns: the readings, in key order.
        origins: per reading the origin of its series.
    """
    if not len(columns):
        return
    level = Level.of_readings(columns, origins)
    codes = sketches.codes(columns.value)
    row = np.arange(len(columns))
    added: list[tuple[Tier, list[tuple[int, datetime]], list[bytes]]] = []
    for tier in TIERS:
        level, group = level.grouped(tier.width)
        row = group[row]
        keys = level.keys()
        await _run(
            connection, _ADD, tier.table, [(*key, *numbers) for key, numbers in zip(keys, level.numbers(), strict=True)]
        )
        added.append((tier, keys, sketches.to_blobs(row, codes, None, length=len(level))))
    for tier, keys, blobs in added:
        await _run(
            connection, _ADD_SKETCH, tier.sketches, [(*key, blob) for key, blob in zip(keys, blobs, strict=True)]
        )
        await compact_by_chance(connection, tier, keys, blobs)


async def recompute(connection: AsyncConnection, touched: Iterable[tuple[int, datetime]]) -> None:
    """Bring every bucket that holds one of ``touched`` in line with the records.

    Buckets before the horizon stay as they are: retention has dropped the records that they were made from.

    Args:
        connection: in the transaction that changed or removed those records.
        touched: (series id, naive UTC instant) of each changed record.
    """
    pairs = list(touched)
    await recompute_at(
        connection,
        np.array([series_id for series_id, _ in pairs], np.int64),
        np.array([at for _, at in pairs], "datetime64[us]").astype(np.int64),
    )


async def recompute_at(
    connection: AsyncConnection, series_id: Integers, observed_at: Integers, differences: Differences | None = None
) -> None:
    """As :func:`recompute`, with what was touched in columns.

    Args:
        connection: as there.
        series_id: of each changed record.
        observed_at: of each, µs since 1970-01-01 UTC.
        differences: where to note how the buckets differed from the records; only those that did are written then.
    """
    horizon = await hold_horizon(connection)
    if horizon is not None:
        whole = observed_at >= microseconds(horizon)
        series_id, observed_at = series_id[whole], observed_at[whole]
    finer: Tier | None = None
    for tier in TIERS:
        for locked in Buckets.holding(tier, series_id, observed_at).portions(LOCKED_AT_ONCE):
            await lock(connection, locked)
            for buckets in locked.portions(READ_AT_ONCE):
                # A plain SELECT reads what is committed and waits for nobody; the same inside an UPDATE would lock the
                # rows it reads, and wait for a writer that waits for our bucket.
                level, blobs = await _compute(connection, buckets, finer)
                gone = sorted(set(buckets.keys()).difference(level.keys()))
                if differences is not None:
                    stored = await read_rows(connection, buckets, tier)
                    changed = differences.note(stored, (level, blobs))
                    level, blobs = level.take(changed), [blobs[position] for position in changed.tolist()]
                await _write(connection, tier, level, blobs)
                await _drop(connection, tier, gone)
        finer = tier


async def lock(connection: AsyncConnection, buckets: Buckets) -> None:
    """Hold ``buckets`` until the transaction ends; one that does not exist yet is there, empty, for the caller."""
    await _run(connection, _LOCK, buckets.tier.table, buckets.keys())


async def _compute(connection: AsyncConnection, buckets: Buckets, finer: Tier | None) -> tuple[Level, Sequence[bytes]]:
    """What ``buckets`` should be, from the records or the finer tier; empty ones are left out."""
    if finer is None:
        columns, origins = await read_records(connection, buckets)
        level, row = Level.of_readings(columns, origins).grouped(buckets.tier.width)
        return level, sketches.to_blobs(row, sketches.codes(columns.value), None, length=len(level))
    below, blobs = await read_rows(connection, buckets, finer)
    level, group = below.grouped(buckets.tier.width)
    row, codes, counts = sketches.bins_in(blobs)
    return level, sketches.to_blobs(group[row], codes, counts, length=len(level))


async def _write(connection: AsyncConnection, tier: Tier, level: Level, blobs: Sequence[bytes]) -> None:
    keys = level.keys()
    numbers = [(*of, *key) for of, key in zip(level.numbers(), keys, strict=True)]
    await _run(connection, _SET, tier.table, numbers)
    await _run(connection, _SET_SKETCH, tier.sketches, [(*key, blob) for key, blob in zip(keys, blobs, strict=True)])


async def _drop(connection: AsyncConnection, tier: Tier, keys: Sequence[tuple[int, datetime]]) -> None:
    await _run(connection, _DROP, tier.table, keys)
    await _run(connection, _DROP, tier.sketches, keys)


async def _run(connection: AsyncConnection, statement: str, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        await connection.exec_driver_sql(statement.format(table=table), list(rows))
