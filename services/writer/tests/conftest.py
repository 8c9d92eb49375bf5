"""A migrated database, an empty broker, and what the writer's tests build from them."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import PoolProxiedConnection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import create_engine
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.testing import Access

TABLES = (
    *("series", "records", "series_latest", "rollups_minute", "rollups_hour", "rollups_day", "producers"),
    *("sketches_minute", "sketches_hour", "sketches_day", "horizons", "backlogs"),
    *("deliveries", "producer_days", "dead_letters", "anomalies", "service_instances", "system_logs"),
)


@pytest.fixture(scope="session")
def new_migrated(new_database: Callable[[], Access]) -> Callable[[], Access]:
    """A function that makes an empty database with the newest schema."""

    def make() -> Access:
        access = new_database()
        environment = {
            **os.environ,
            "WRITER_MIGRATION_DATABASE_URL": access.url,
            "WRITER_MIGRATION_DATABASE_PASSWORD": access.password,
        }
        subprocess.run([sys.executable, "-m", "telltale_writer.migrate"], env=environment, check=True)
        return access

    return make


@pytest.fixture(scope="session")
def migrated(new_migrated: Callable[[], Access]) -> Access:
    return new_migrated()


@pytest.fixture
async def engine(migrated: Access) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(migrated.url, migrated.password)
    await ensure_partitions(engine, PartitionedTable("records", 365), today=datetime.now(UTC).date())
    await ensure_partitions(engine, PartitionedTable("system_logs", 90), today=datetime.now(UTC).date())
    async with engine.begin() as connection:
        for table in TABLES:
            await connection.execute(text(f"DELETE FROM {table}"))
    yield engine
    await engine.dispose()


@pytest.fixture
def lost_answer(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The next COMMIT takes place, and its answer is lost; then there is an entry."""
    lost: list[str] = []
    commit = engine.sync_engine.dialect.do_commit

    def commit_unheard(connection: PoolProxiedConnection) -> None:
        commit(connection)
        if not lost:
            lost.append("COMMIT")
            raise ConnectionResetError

    monkeypatch.setattr(engine.sync_engine.dialect, "do_commit", commit_unheard)
    return lost
