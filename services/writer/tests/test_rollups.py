"""Rollups with writers, editors and a rebuild at the same time; what keeps them small; where they end."""

import asyncio
import random
from datetime import UTC, datetime, time
from functools import partial
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import create_engine
from telltale_shared.instants import instant, microseconds
from telltale_shared.store import buckets, edits, rollups
from telltale_shared.store.audit import Actor
from telltale_shared.store.differences import Differences
from telltale_shared.store.horizons import advance_horizon, hold_horizon
from telltale_shared.store.rebuild import rebuild
from telltale_shared.store.records import Columns, Outcome, insert_records, key_order
from telltale_shared.store.series import NewSeries, find_or_create_series
from telltale_shared.store.sketches import Sketch
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access
from telltale_shared.testing_rollups import compare, raw_rows

pytestmark = pytest.mark.anyio

SECOND = 1_000_000
MIDNIGHT = microseconds(datetime.combine(datetime.now(UTC).date(), time.min))
START = MIDNIGHT - 1_800 * SECOND
"""Half an hour before a midnight, so that a few thousand seconds cross a minute, an hour and a day."""
ACTOR = Actor("1", "a person")


async def series_ids(engine: AsyncEngine, count: int = 1) -> list[int]:
    async with engine.begin() as connection:
        wanted = {("rolled", f"{n:04}"): NewSeries(None, 3.0) for n in range(count)}
        found = await find_or_create_series(connection, wanted, now=now_us())
    return [found[key].id for key in sorted(found)]


async def store(connection: AsyncConnection, series_id: np.ndarray, at: np.ndarray, value: np.ndarray) -> None:
    columns = Columns(series_id, at, value)
    columns = columns.take(key_order(columns))
    fresh = columns.take(await insert_records(connection, columns) == Outcome.STORED)
    await rollups.add(connection, fresh, np.full(len(fresh), 3.0))


async def one_series(engine: AsyncEngine, one: int, at: np.ndarray, value: np.ndarray) -> None:
    async with engine.begin() as connection:
        await store(connection, np.full(len(at), one), at, value)


async def rebuilt(engine: AsyncEngine, **options: Any) -> Differences:
    total = Differences()
    async for step in rebuild(engine, **options):
        total += step.differences
    return total


async def write(engine: AsyncEngine, ids: list[int], which: int) -> None:
    for n in range(25):
        at = START + np.arange(n * 120, n * 120 + 120) * SECOND + which
        async with engine.begin() as connection:
            await store(connection, np.repeat(ids, 120), np.tile(at, 3), np.arange(360.0) % 7 + which)


async def change_in_bulk(engine: AsyncEngine, ids: list[int]) -> None:
    moments = [instant(START + n * 30 * SECOND) for n in range(100)]
    statement = "UPDATE records SET value = value + 1 WHERE series_id = :one ORDER BY observed_at LIMIT 100"
    for n in range(25):
        one = ids[n % 3]
        async with engine.begin() as connection:
            await connection.execute(text(statement), {"one": one})
            await rollups.recompute(connection, [(one, at) for at in moments])


async def edit(engine: AsyncEngine) -> None:
    rng = random.Random(1)
    for _ in range(60):
        async with engine.begin() as connection:
            rows = await raw_rows(connection)
        for series_id, at, _ in rng.sample(rows, min(3, len(rows))):
            if rng.random() < 0.5:
                change = partial(edits.edit_record, value=rng.uniform(-9, 9))
            else:
                change = partial(edits.delete_record)
            async with engine.begin() as connection:
                await change(connection, ACTOR, series_id, at, expected=None)


async def test_writers_editors_and_a_rebuild_at_the_same_time_agree(engine: AsyncEngine, migrated: Access) -> None:
    """All on the same new buckets at once, without one deadlock: only the rebuild would try again."""
    ids = await series_ids(engine, 3)
    engines = [create_engine(migrated.url, migrated.password, pool_size=2) for _ in range(6)]
    async with asyncio.TaskGroup() as group:
        for which in range(3):
            group.create_task(write(engines[which], ids, which))
        group.create_task(change_in_bulk(engines[3], ids))
        group.create_task(edit(engines[4]))
        group.create_task(rebuilt(engines[5]))
    async with engine.connect() as connection:
        await compare(connection)
    for own in engines:
        await own.dispose()


async def test_two_writers_add_to_the_same_new_bucket(engine: AsyncEngine, migrated: Access) -> None:
    (one,) = await series_ids(engine)
    other = create_engine(migrated.url, migrated.password)
    async with engine.begin() as first, other.connect() as second:
        await store(first, np.array([one]), np.array([START]), np.array([1.0]))
        waiting = asyncio.create_task(store(second, np.array([one]), np.array([START + 1]), np.array([2.0])))
        done, _ = await asyncio.wait((waiting,), timeout=0.3)
        assert not done
        await first.commit()
        await waiting
        await second.commit()
    await other.dispose()
    async with engine.connect() as connection:
        await compare(connection)


async def test_what_a_bucket_takes_stays_small_at_one_reading_a_second(engine: AsyncEngine) -> None:
    """Six bytes for each reading without compaction: 9 kB here, 518 kB at the end of the day."""
    (one,) = await series_ids(engine)
    rng = np.random.default_rng(1)
    longest = 0
    for begin in range(0, 1_500, 100):
        async with engine.begin() as connection:
            for n in range(begin, begin + 100):
                await store(connection, np.array([one]), np.array([MIDNIGHT + n * SECOND]), 20 + rng.normal(0, 1, 1))
            lengths = await connection.execute(text("SELECT MAX(LENGTH(bins)) FROM sketches_day"))
            longest = max(longest, lengths.scalar_one())
    async with engine.connect() as connection:
        await compare(connection)
        bins = (await connection.execute(text("SELECT bins FROM sketches_day"))).scalar_one()
    assert len(Sketch.from_blobs([bins]).codes) < 50
    # √(COMPACTION_COST / 6) = 58 appends between two compactions on average, so 350 bytes: 3,000 are never reached.
    assert longest < 3_000


async def test_many_touched_instants_are_recomputed_in_bounded_statements(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "PAGE_ROWS", 70)
    monkeypatch.setattr(rollups, "LOCKED_AT_ONCE", 25)
    monkeypatch.setattr(rollups, "READ_AT_ONCE", 20)
    ids = await series_ids(engine, 4)
    at = START + np.concatenate((np.arange(1_500), np.arange(0, 90_000, 97))) * SECOND
    at = np.unique(at)
    async with engine.begin() as connection:
        await store(connection, np.repeat(ids, len(at)), np.tile(at, 4), np.arange(4.0 * len(at)) % 50)
        await connection.execute(text("UPDATE records SET value = -value WHERE series_id <> :one"), {"one": ids[0]})
        await connection.execute(text("DELETE FROM records WHERE value = -7"))
        await rollups.recompute_at(connection, np.repeat(ids, len(at)), np.tile(at, 4))
    async with engine.connect() as connection:
        await compare(connection)


async def test_what_is_before_the_horizon_is_never_made_from_missing_rows(engine: AsyncEngine) -> None:
    """Not even in the moment between noting the horizon and dropping the partition, nor after a crash there."""
    (one,) = await series_ids(engine)
    await one_series(engine, one, START + np.arange(3_600) * SECOND, np.arange(3_600.0))
    async with engine.connect() as connection:
        dropped = [row for row in await raw_rows(connection) if row[1] < instant(MIDNIGHT)]
    async with engine.begin() as connection:
        await advance_horizon(connection, "records", instant(MIDNIGHT))
    # What a late reading finds there is only added to.
    await one_series(engine, one, np.array([START + 5]), np.array([-1.0]))
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM records WHERE observed_at < :at"), {"at": instant(MIDNIGHT)})
        await rollups.recompute(connection, [(one, instant(START)), (one, instant(MIDNIGHT))])
    assert (await rebuilt(engine)).total == 0
    async with engine.connect() as connection:
        await compare(connection, and_dropped=[*dropped, (one, instant(START + 5), -1.0)])


async def test_a_partition_is_not_dropped_under_a_recompute(engine: AsyncEngine) -> None:
    (one,) = await series_ids(engine)
    await one_series(engine, one, np.array([MIDNIGHT]), np.array([1.0]))
    async with engine.begin() as connection:
        assert await hold_horizon(connection) is None
        async with engine.connect() as other:
            statement = "SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE records TRUNCATE PARTITION before_days"
            with pytest.raises(DBAPIError, match="Lock wait timeout"):
                await other.execute(text(statement))


async def test_rebuild_takes_a_choice_and_says_what_differed(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telltale_shared.store.rebuild.STEP_ROWS", 100)
    ids = await series_ids(engine, 2)
    at = START + np.arange(0, 3_600, 7) * SECOND
    for one in ids:
        await one_series(engine, one, at, np.arange(float(len(at))))
    async with engine.begin() as connection:
        for tier in rollups.TIERS:
            await connection.execute(text(f"DELETE FROM {tier.table}"))
            await connection.execute(text(f"DELETE FROM {tier.sketches}"))
        stray = {"one": ids[0], "at": instant(MIDNIGHT - 86_400 * SECOND)}
        await connection.execute(text("INSERT INTO rollups_hour VALUES (:one, :at, 5, 0, 0, 0, 0)"), stray)
    day = instant(MIDNIGHT - 86_400 * SECOND)
    steps = [step async for step in rebuild(engine, categories=["0000"], begin=day, end=instant(MIDNIGHT))]
    assert {(step.source, step.category, step.position, step.of) for step in steps} == {("rolled", "0000", 1, 1)}
    assert len(steps) > 2
    assert [step.begin for step in steps[1:]] == [step.end for step in steps[:-1]]
    assert sum(step.differences.needless for step in steps) == 1
    assert sum(step.differences.missing for step in steps) == 30 + 1 + 1
    everything = await rebuilt(engine)
    assert (everything.missing, everything.needless) == (3 * (30 + 1 + 1), 0)
    assert (await rebuilt(engine)).total == 0
    async with engine.connect() as connection:
        await compare(connection)


async def test_rows_from_before_there_were_sketches_get_theirs(engine: AsyncEngine) -> None:
    ids = await series_ids(engine, 2)
    old, new = START + np.arange(1_000) * SECOND, START + np.arange(1_000, 1_010) * SECOND
    for one in ids:
        await one_series(engine, one, old, np.arange(1_000.0))
    async with engine.begin() as connection:
        for tier in rollups.TIERS:
            await connection.execute(text(f"DELETE FROM {tier.sketches}"))
        await rollups.recompute(connection, [(ids[0], instant(START))])  # edits and adds meet rows without sketches
    await one_series(engine, ids[0], new, np.arange(10.0))
    filled = await rebuilt(engine, only_missing_sketches=True)
    assert filled.unsketched == filled.total > 0
    assert (await rebuilt(engine, only_missing_sketches=True)).compared == 0
    async with engine.connect() as connection:
        await compare(connection)


def test_buckets_begin_at_whole_minutes_hours_and_days() -> None:
    at = instant(START + 1_859 * SECOND + 123)
    assert rollups.MINUTE.bucket_of(at) == at.replace(second=0, microsecond=0)
    assert rollups.HOUR.bucket_of(at) == at.replace(minute=0, second=0, microsecond=0)
    assert rollups.DAY.bucket_of(at) == at.replace(hour=0, minute=0, second=0, microsecond=0)
