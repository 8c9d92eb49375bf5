"""Partitions by day: made ahead, dropped when their time is over, on the real table."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.store.horizons import advance_horizon
from telltale_shared.store.partitions import DAYS_AHEAD, PartitionedTable, ensure_partitions

pytestmark = pytest.mark.anyio

TODAY = date(2030, 3, 1)
TABLE = PartitionedTable("records_copy", retention_days=10)


@pytest.fixture
async def copied(engine: AsyncEngine) -> AsyncEngine:
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS records_copy"))
        await connection.execute(
            text("CREATE TABLE records_copy"
                 " (series_id INT, observed_at DATETIME(6), PRIMARY KEY (series_id, observed_at))"
                 " PARTITION BY RANGE COLUMNS (observed_at) (PARTITION history VALUES LESS THAN ('1971-01-01'))")
        )  # fmt: skip
    return engine


async def bounds(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT PARTITION_DESCRIPTION FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE()"
                 " AND TABLE_NAME = 'records_copy' ORDER BY PARTITION_ORDINAL_POSITION")
        )  # fmt: skip
        return [str(row[0]).strip("'") for row in rows]


async def insert(engine: AsyncEngine, at: datetime) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO records_copy VALUES (1, :at)"), {"at": at})


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT COUNT(*) FROM records_copy"))).scalar_one())


async def horizon(engine: AsyncEngine) -> datetime | None:
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT rows_from FROM horizons WHERE table_name = 'records_copy'"))
        return found.scalar()


async def test_the_first_start_makes_old_history_and_the_coming_days(copied: AsyncEngine) -> None:
    await ensure_partitions(copied, TABLE, today=TODAY)
    assert (await bounds(copied))[-1] == str(TODAY + timedelta(days=DAYS_AHEAD + 1))
    for at in ("1999-01-01", "2030-03-01T12:00", "2030-03-08T23:59:59.999999"):
        await insert(copied, datetime.fromisoformat(at))
    assert await count(copied) == 3


async def test_it_is_safe_to_repeat_and_goes_on_after_a_pause(copied: AsyncEngine) -> None:
    await ensure_partitions(copied, TABLE, today=TODAY)
    once = await bounds(copied)
    await ensure_partitions(copied, TABLE, today=TODAY)
    assert await bounds(copied) == once
    later = TODAY + timedelta(days=3)
    await ensure_partitions(copied, TABLE, today=later)
    found = await bounds(copied)
    assert found[: len(once)] == once
    days = [date.fromisoformat(bound[:10]) for bound in found[2:]]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert days[-1] == later + timedelta(days=DAYS_AHEAD + 1)


async def test_what_is_past_its_retention_goes_and_the_rest_stays(copied: AsyncEngine) -> None:
    await ensure_partitions(copied, TABLE, today=TODAY)
    await insert(copied, datetime(2030, 3, 1, 12, tzinfo=UTC))
    await insert(copied, datetime(2030, 3, 2, 12, tzinfo=UTC))
    await ensure_partitions(copied, TABLE, today=TODAY + timedelta(days=11))
    assert await count(copied) == 1
    # The horizon was noted, and one that is farther ahead stays when a longer retention drops less.
    assert await horizon(copied) == datetime.fromisoformat("2030-03-02")
    async with copied.begin() as connection:
        await advance_horizon(connection, TABLE.name, datetime.fromisoformat("2030-02-01"))
    assert await horizon(copied) == datetime.fromisoformat("2030-03-02")
    # A reading older than what was dropped still has a place, should a longer retention let it in again.
    await insert(copied, datetime(2030, 2, 1, tzinfo=UTC))
    assert await count(copied) == 2


async def test_writers_that_start_together_do_not_refuse_each_others_partitions(copied: AsyncEngine) -> None:
    for today in (TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=12)):
        await asyncio.gather(*(ensure_partitions(copied, TABLE, today=today) for _ in range(4)))
        found = await bounds(copied)
        assert found[-1] == str(today + timedelta(days=DAYS_AHEAD + 1))
        assert len(found) == len(set(found))


async def test_a_long_read_delays_the_change_and_does_not_fail_it(copied: AsyncEngine) -> None:
    await ensure_partitions(copied, TABLE, today=TODAY)
    reader = await copied.connect()
    await reader.execute(text("SELECT * FROM records_copy"))
    change = asyncio.create_task(ensure_partitions(copied, TABLE, today=TODAY + timedelta(days=1)))
    done, _ = await asyncio.wait((change,), timeout=0.5)
    assert not done
    await reader.rollback()
    await reader.close()
    await change
    assert (await bounds(copied))[-1] == str(TODAY + timedelta(days=DAYS_AHEAD + 2))
