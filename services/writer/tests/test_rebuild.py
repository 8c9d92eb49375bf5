"""The command that makes rollups again, and the task that completes them after an upgrade."""

import asyncio
import os
import subprocess
import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import create_engine
from telltale_shared.store import rollups
from telltale_shared.store.records import Columns, insert_records
from telltale_shared.store.series import NewSeries, find_or_create_series
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, eventually
from telltale_shared.testing_rollups import compare
from telltale_writer import backfill
from telltale_writer.rebuild import parse

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


@pytest.fixture
async def filled(engine: AsyncEngine) -> AsyncEngine:
    """Two series with 600 readings each, with rollups and sketches."""
    at = now_us() // SECOND * SECOND - np.arange(600, 0, -1) * SECOND
    async with engine.begin() as connection:
        wanted = {(source, "level"): NewSeries(None, 0.0) for source in ("left", "right")}
        for series in (await find_or_create_series(connection, wanted, now=now_us())).values():
            columns = Columns(np.full(600, series.id), at, np.arange(600.0))
            await insert_records(connection, columns)
            await rollups.add(connection, columns, np.zeros(600))
    return engine


async def spoil(engine: AsyncEngine, *tables: str) -> None:
    async with engine.begin() as connection:
        for table in tables:
            await connection.execute(text(f"DELETE FROM {table}"))


async def is_right(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        await compare(connection)
    return True


def rebuild(access: Access, *options: str) -> str:
    environment = {**os.environ, "WRITER_DATABASE_URL": access.url, "WRITER_DATABASE_PASSWORD": access.password}
    command = [sys.executable, "-m", "telltale_writer.rebuild", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


async def test_the_command_corrects_and_says_what_it_corrected(filled: AsyncEngine, migrated: Access) -> None:
    await spoil(filled, "rollups_minute", "sketches_hour", "sketches_day")
    one = await asyncio.to_thread(rebuild, migrated, "--source", "left", "--category", "level")
    assert "had no records, 0 had wrong numbers" in one
    with pytest.raises(AssertionError):
        await is_right(filled)
    await asyncio.to_thread(rebuild, migrated)
    assert await is_right(filled)
    assert " 0 corrected" in await asyncio.to_thread(rebuild, migrated, "--from", "2020-01-01T00:00+02:00")


async def test_sketches_are_filled_in_beside_the_ingest(filled: AsyncEngine) -> None:
    await spoil(filled, *(tier.sketches for tier in rollups.TIERS))
    await asyncio.wait_for(backfill.fill_in_sketches(filled), 20)
    assert await is_right(filled)


async def test_of_several_writers_one_fills_in_sketches(
    filled: AsyncEngine, migrated: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "RETRY_SECONDS", 0.1)
    other = create_engine(migrated.url, migrated.password)
    await spoil(filled, "sketches_day")
    async with other.connect() as connection:
        await connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": backfill.LOCK_NAME})
        waiting = asyncio.create_task(backfill.fill_in_sketches(filled))
        done, _ = await asyncio.wait((waiting,), timeout=0.5)
        assert not done
        await connection.invalidate()
    await asyncio.wait_for(waiting, 20)
    await other.dispose()
    assert await eventually(lambda: is_right(filled))


def test_times_of_the_command_line_are_utc() -> None:
    options = parse(["--from", "2026-03-01", "--to", "2026-03-02T01:00+02:00", "--source", "a", "--source", "b"])
    assert options.begin == datetime.fromisoformat("2026-03-01")
    assert options.end == options.begin + timedelta(days=1, hours=-1)
    assert (options.source, options.category, options.only_missing_sketches) == (["a", "b"], [], False)
