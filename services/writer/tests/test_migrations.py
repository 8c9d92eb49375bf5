"""Upgrading: every migration takes the first release's data along, and what an earlier writer stores meanwhile."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import SchemaVersionMismatch, check_schema_version, create_engine, in_transaction
from telltale_shared.store.ledger import Numbers, open_accounts, settle
from telltale_shared.store.ledger_figures import read_totals
from telltale_shared.store.ledger_upkeep import correct_figures
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.store.schema import SCHEMA_VERSION
from telltale_shared.system_events import now_us
from telltale_shared.testing import Access, Servers, eventually
from telltale_shared.testing_migrations import described, upgrade, upgrade_in_pieces
from telltale_shared.testing_migrations import migrate as migrate_service

from .writer_before_ledger import SCHEMA_VERSION as BEFORE_LEDGER
from .writer_before_ledger import WriterBefore

# Each step is a process of its own, as it is in a real upgrade: on a busy machine that takes its time.
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

FIRST_RELEASE = "2026_11_23_pipeline"

# A row in every table of the first release, as that release wrote them.
FIRST_DATA = """
INSERT INTO series VALUES (1, 'press-3', 'temperature', '°C', 20.5, '2026-11-23 08:00:00');
INSERT INTO records VALUES (1, '1970-06-01 00:00:00', 20.5, NULL, NULL);
INSERT INTO series_latest VALUES (1, '1970-06-01 00:00:00', 20.5);
INSERT INTO rollups_minute VALUES (1, '1970-06-01 00:00:00', 1, 20.5, 0, 20.5, 20.5);
INSERT INTO rollups_hour VALUES (1, '1970-06-01 00:00:00', 1, 20.5, 0, 20.5, 20.5);
INSERT INTO rollups_day VALUES (1, '1970-06-01 00:00:00', 1, 20.5, 0, 20.5, 20.5);
INSERT INTO producers (id, producer, service, published, confirmed, dropped, watermark, proven, stored, repeated, dead,
  redelivered, first_seen_at, seen_at)
  VALUES (1, 'gen-1', 'generator', 30, 28, 2, 10, 20, 15, 1, 4, 3, '2026-11-23 08:00:00', '2026-11-23 09:00:00');
INSERT INTO deliveries VALUES (1, 16, 25);
INSERT INTO producer_days (producer_id, day, stored, repeated, dead)
  VALUES (1, '2026-11-22', 10, 0, 0), (1, '2026-11-23', 5, 1, 4);
INSERT INTO dead_letters (reason, detail, payload, fingerprint, arrived_at)
  VALUES ('malformed', 'not JSON', '{', REPEAT('x', 32), '2026-11-23 08:00:00');
INSERT INTO anomalies (series_id, observed_at, detector, version, kind, value, score, expected_low, expected_high,
  explanation, detected_at)
  VALUES (1, '1970-06-01 00:00:00', 'robust', '1', 'spike', 20.5, 9, 0, 1, 'x', '2026-11-23 08:00:00');
INSERT INTO record_edits VALUES (1, '1970-06-01 00:00:00', 1, 'somebody', '2026-11-23 08:00:00');
INSERT INTO service_instances VALUES ('w', 'writer', '0.1.0', '2026-11-23 08:00:00', '2026-11-23 08:00:00', 'ok', 1,
  '{}', '{}');
INSERT INTO system_logs (at, service, instance, level, logger, message, fields)
  VALUES ('1970-06-01 00:00:00', 'writer', 'w', 'warning', 'l', 'm', '{}');
INSERT INTO audit_log (at, actor_id, actor_name, action, target, outcome)
  VALUES ('2026-11-23 08:00:00', '1', 'somebody', 'record.edit', 'x', 'done');
"""


migrate = partial(migrate_service, "writer")


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(access.url, access.password)
    yield engine
    await engine.dispose()


async def rows(engine: AsyncEngine, statement: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def served(engine: AsyncEngine) -> set[object]:
    return {version for (version,) in await rows(engine, "SELECT version FROM schema_serves")}


def revisions() -> list[str]:
    """All migrations, oldest first."""
    folder = Path(str(files("telltale_writer.migrations"))) / "versions"
    following = {}
    for file in folder.glob("2*.py"):
        source = file.read_text()
        down = source.split("down_revision = ")[1].split("\n")[0].strip('"')
        following[down] = file.stem
    ordered = [following["None"]]
    while ordered[-1] in following:
        ordered.append(following[ordered[-1]])
    assert len(ordered) == len(following), "there is more than one head"
    return ordered


async def test_every_migration_takes_the_first_releases_data_along(new_database: Callable[[], Access]) -> None:
    access = new_database()
    every = revisions()
    assert every[0] == FIRST_RELEASE
    assert every[-1] == SCHEMA_VERSION
    migrate(access, FIRST_RELEASE)
    async with connected(access) as engine:
        for statement in FIRST_DATA.strip().rstrip(";").split(";\n"):
            async with engine.begin() as connection:
                await connection.execute(text(statement.replace("  ", " ")))
        tables = [name for (name,) in await rows(engine, "SHOW TABLES") if name != "alembic_version"]
        before = {
            name: await rows(engine, f"SELECT COUNT(*) FROM {name}") for name in tables if name != "schema_serves"
        }
        assert all(counted == [(2 if name == "producer_days" else 1,)] for name, counted in before.items()), before
        for revision in every[1:]:
            await asyncio.to_thread(migrate, access, revision)
            for name, counted in before.items():
                assert await rows(engine, f"SELECT COUNT(*) FROM {name}") == counted, (revision, name)
        await check_schema_version(engine, SCHEMA_VERSION)
        today = datetime.now(UTC).date()
        await ensure_partitions(engine, PartitionedTable("records", 365_000), today=today)
        await in_transaction(engine, partial(correct_figures, today=today))
        async with engine.connect() as connection:
            totals = await read_totals(connection)
        # 11 to 15 are the gap before 16; all up to 20 were confirmed before something that is settled.
        assert (totals.published, totals.stored, totals.missing, totals.in_flight) == (30, 15, 5, 5)
        summed = await rows(engine, "SELECT SUM(published), SUM(stored), SUM(missing), SUM(dropped) FROM producer_days")
        assert [tuple(map(int, map(str, row))) for row in summed] == [(30, 15, 5, 2)]
        await asyncio.to_thread(migrate, access, SCHEMA_VERSION)  # once more is no change
        assert await served(engine) >= set(every[1:])


def test_interrupted_migrations_are_repeated(servers: Servers, new_database: Callable[[], Access]) -> None:
    whole, pieces = new_database(), new_database()
    upgrade("writer", whole)
    assert upgrade_in_pieces("writer", pieces) > len(revisions())
    assert described(servers, pieces) == described(servers, whole)


async def test_a_service_starts_on_a_newer_schema_that_serves_it_and_on_no_other(
    new_migrated: Callable[[], Access],
) -> None:
    async with connected(new_migrated()) as engine:
        await check_schema_version(engine, SCHEMA_VERSION)
        assert SCHEMA_VERSION in await served(engine)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '2099_01_01_future'"))
        await check_schema_version(engine, SCHEMA_VERSION)
        for unknown in ("2098_01_01_other", "2099_01_01_futur", ""):
            with pytest.raises(SchemaVersionMismatch, match="2099_01_01_future"):
                await check_schema_version(engine, unknown)
        async with engine.begin() as connection:  # a migration that takes something away says so
            await connection.execute(text(f"DELETE FROM schema_serves WHERE version = '{SCHEMA_VERSION}'"))
        with pytest.raises(SchemaVersionMismatch):
            await check_schema_version(engine, SCHEMA_VERSION)
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE schema_serves"))
        with pytest.raises(SchemaVersionMismatch):
            await check_schema_version(engine, SCHEMA_VERSION)


async def test_the_way_back_serves_no_longer(new_migrated: Callable[[], Access]) -> None:
    access = new_migrated()
    async with connected(access) as engine:
        await asyncio.to_thread(migrate, access, BEFORE_LEDGER, direction="downgrade")
        assert SCHEMA_VERSION not in await served(engine)
        with pytest.raises(SchemaVersionMismatch):
            await check_schema_version(engine, SCHEMA_VERSION)
        await asyncio.to_thread(migrate, access, "head")
        await check_schema_version(engine, SCHEMA_VERSION)


async def test_what_a_writer_before_the_ledger_settles_is_made_up_for(new_database: Callable[[], Access]) -> None:
    access = new_database()
    migrate(access, BEFORE_LEDGER)
    async with connected(access) as engine:
        today = datetime.now(UTC).date()
        await ensure_partitions(engine, PartitionedTable("records", 365), today=today)
        before = WriterBefore(engine)
        await before.lose(7, now_us())
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                await before.store(now_us())

        async def read() -> None:
            """Reads that take as long as an administrator's: a migration gives way to them, they see no error."""
            while not stop.is_set():
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT p.id, d.day FROM producers p, producer_days d"))
                    await connection.execute(text("SELECT COUNT(*), SLEEP(0.05) FROM producers"))

        running = [asyncio.create_task(load()), asyncio.create_task(read())]
        try:
            await eventually(lambda: before.number > 20)
            await asyncio.to_thread(migrate, access, "head")
            reached = before.number
            await eventually(lambda: before.number > reached + 20)  # it goes on, on the new schema
        finally:
            stop.set()
            for task in running:
                await task
        # The new writer takes over: it corrects what the old one could not know, then goes on with the same numbers.
        await in_transaction(engine, partial(correct_figures, today=today))
        first = before.number + 1
        async with engine.begin() as connection:
            deliveries = [Numbers("before", "test", first, first + 9, first - 1)]
            accounts = await open_accounts(connection, deliveries, now=now_us())
            accounts["before"].claim(deliveries[0])
            accounts["before"].stored += 10
            await settle(connection, accounts.values(), now=now_us())
        async with engine.connect() as connection:
            totals = await read_totals(connection)
        records = await rows(engine, "SELECT COUNT(*), COUNT(DISTINCT value), MAX(value) FROM records")
        assert records == [(before.number, before.number, float(before.number))]
        assert (totals.published, totals.stored) == (before.number + 10 + 8, before.number + 10 + 1)
        assert (totals.missing, totals.in_flight, totals.repeated) == (7, 0, 0)
        (summed,) = await rows(engine, "SELECT SUM(published), SUM(stored), SUM(missing) FROM producer_days")
        assert [int(str(one)) for one in summed] == [totals.published, totals.stored, totals.missing]


async def test_a_migration_waits_for_a_long_read_without_blocking_others(new_database: Callable[[], Access]) -> None:
    access = new_database()
    migrate(access, BEFORE_LEDGER)
    async with connected(access) as engine, engine.connect() as reader:
        await reader.execute(text("SELECT * FROM producers"))  # an open transaction holds the table's structure
        upgrading = asyncio.create_task(asyncio.to_thread(migrate, access, "head"))
        others = 0
        deadline = datetime.now(UTC) + timedelta(seconds=9)
        while datetime.now(UTC) < deadline and not upgrading.done():
            async with engine.begin() as connection:
                await connection.execute(text("SELECT COUNT(*) FROM producers"))
            others += 1
            await asyncio.sleep(0.05)
        assert not upgrading.done()
        assert others > 5  # held up for a few seconds at most, then let through
        await reader.rollback()
        with suppress(subprocess.SubprocessError):
            await upgrading
        assert upgrading.exception() is None
        await check_schema_version(engine, SCHEMA_VERSION)
