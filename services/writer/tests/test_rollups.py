"""Rollups against the records they summarise, after any sequence of changes."""

import asyncio
from datetime import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.instants import instant
from telltale_shared.store import rollups
from telltale_shared.store.records import Columns, Outcome, insert_records, key_order
from telltale_shared.store.series import NewSeries, find_or_create_series
from telltale_shared.system_events import now_us

SECOND = 1_000_000
START = now_us() // (86_400 * SECOND) * 86_400 * SECOND - 1_800 * SECOND
"""Half an hour before a midnight, so that a few thousand seconds cross a minute, an hour and a day."""

reading = st.tuples(st.integers(0, 2), st.integers(0, 3_600), st.integers(-50, 50))
change = st.one_of(
    st.tuples(st.just("insert"), st.lists(reading, min_size=1, max_size=20)),
    st.tuples(st.just("delete"), st.lists(st.integers(0, 99), min_size=1, max_size=5)),
    st.tuples(st.just("edit"), st.lists(st.integers(0, 99), min_size=1, max_size=5)),
)


async def _insert(connection: AsyncConnection, ids: list[int], readings: list[tuple[int, int, int]]) -> None:
    columns = Columns(
        np.array([ids[which] for which, _, _ in readings], np.int64),
        np.array([START + at * SECOND for _, at, _ in readings], np.int64),
        np.array([value for _, _, value in readings], np.float64),
    )
    columns = columns.take(key_order(columns))
    fresh = columns.take(await insert_records(connection, columns) == Outcome.STORED)
    await rollups.add(connection, fresh, np.full(len(fresh), 3.0))


async def _change(connection: AsyncConnection, statement: str, chosen: list[int]) -> None:
    rows = (await connection.execute(text("SELECT series_id, observed_at FROM records ORDER BY 1, 2"))).all()
    touched: set[tuple[int, datetime]] = {tuple(rows[n % len(rows)]) for n in chosen} if rows else set()
    for series_id, at in touched:
        await connection.execute(
            text(f"{statement} WHERE series_id = :series_id AND observed_at = :at"), {"series_id": series_id, "at": at}
        )
    await rollups.recompute(connection, touched)


async def _compare(connection: AsyncConnection) -> None:
    for tier in rollups.TIERS:
        expected = await connection.execute(
            text(f"""
            SELECT series_id, FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP(observed_at) / {tier.seconds}) * {tier.seconds}),
              COUNT(*), SUM(value), SUM((value - 3) * (value - 3)), MIN(value), MAX(value)
            FROM records GROUP BY 1, 2 ORDER BY 1, 2""")
        )
        found = await connection.execute(
            text(f"SELECT series_id, bucket, `count`, total, total_squares, minimum, maximum FROM {tier.table}"
                 " ORDER BY series_id, bucket")
        )  # fmt: skip
        assert [tuple(row) for row in found] == [tuple(row) for row in expected], tier


@pytest.mark.anyio
async def test_rollups_equal_the_records_after_any_changes(engine: AsyncEngine) -> None:
    loop = asyncio.get_running_loop()

    async def run(changes: list[tuple[str, list[object]]]) -> None:
        async with engine.begin() as connection:
            for table in ("records", *(tier.table for tier in rollups.TIERS)):
                await connection.execute(text(f"DELETE FROM {table}"))
            wanted = {("rolled", str(n)): NewSeries(None, 3.0) for n in range(3)}
            found = await find_or_create_series(connection, wanted, now=now_us())
        ids = [series.id for series in found.values()]
        for kind, arguments in changes:
            async with engine.begin() as connection:
                if kind == "insert":
                    await _insert(connection, ids, arguments)  # type: ignore[arg-type]  # as the strategy draws it
                elif kind == "delete":
                    await _change(connection, "DELETE FROM records", arguments)  # type: ignore[arg-type]  # likewise
                else:
                    await _change(connection, "UPDATE records SET value = value * 2 + 1", arguments)  # type: ignore[arg-type]  # likewise
        async with engine.connect() as connection:
            await _compare(connection)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(change, min_size=1, max_size=6))
    def property_holds(changes: list[tuple[str, list[object]]]) -> None:
        asyncio.run_coroutine_threadsafe(run(changes), loop).result(30)

    await asyncio.to_thread(property_holds)


@pytest.mark.anyio
async def test_inserts_and_recomputes_at_the_same_time_agree(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        found = await find_or_create_series(connection, {("busy", "x"): NewSeries(None, 3.0)}, now=now_us())
    ids = [series.id for series in found.values()]

    async def insert(part: int) -> None:
        for n in range(20):
            async with engine.begin() as connection:
                await _insert(connection, ids, [(0, part * 1_000 + n * 7 + k, k) for k in range(5)])

    async def edit() -> None:
        for n in range(20):
            async with engine.begin() as connection:
                await _change(connection, "UPDATE records SET value = value + 1", [n, n + 5])

    await insert(0)
    async with asyncio.TaskGroup() as group:
        group.create_task(insert(1))
        group.create_task(edit())
    async with engine.connect() as connection:
        await _compare(connection)


def test_buckets_begin_at_whole_minutes_hours_and_days() -> None:
    at = instant(START + 1_859 * SECOND + 123)
    assert rollups.MINUTE.bucket_of(at) == at.replace(second=0, microsecond=0)
    assert rollups.HOUR.bucket_of(at) == at.replace(minute=0, second=0, microsecond=0)
    assert rollups.DAY.bucket_of(at) == at.replace(hour=0, minute=0, second=0, microsecond=0)
