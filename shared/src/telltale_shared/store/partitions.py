"""Partitions by time: made well ahead, dropped whole when their time is over.

Partitions are days from the first one on; all that is older falls into one partition in front of them.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import in_transaction
from telltale_shared.store.horizons import advance_horizon

log = structlog.get_logger("telltale.store")

DAYS_AHEAD = 7
DAYS_BACK = 1
"""Partitions that are made before today when there are none yet."""
FIRST = "history"
"""The partition that the migration makes: it stays, since a partitioned table needs one."""
LOCK_WAIT_SECONDS = 2
ATTEMPTS = 5

_BOUNDS = text("""
SELECT PARTITION_NAME AS name, PARTITION_DESCRIPTION AS bound FROM information_schema.PARTITIONS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table AND PARTITION_NAME IS NOT NULL
ORDER BY PARTITION_ORDINAL_POSITION
""")


@dataclass(frozen=True)
class PartitionedTable:
    """A table that is partitioned by time, and how long its rows are kept."""

    name: str
    retention_days: int


@dataclass(frozen=True)
class _Partition:
    name: str
    ends: date


async def ensure_partitions(engine: AsyncEngine, table: PartitionedTable, *, today: date) -> None:
    """Add the partitions up to a week ahead, and drop those whose whole time is past the retention.

    Several writers may do so at the same time: a change that another has made already is none.
    """
    partitions = await _partitions(engine, table.name)
    newest = max(partition.ends for partition in partitions)
    first = newest if len(partitions) > 1 else max(newest, today - timedelta(days=DAYS_BACK))
    ahead = [first + timedelta(days=n) for n in range((today + timedelta(days=DAYS_AHEAD) - first).days + 1)]
    if len(partitions) == 1:
        # What is older than the first daily partition goes into one of its own, which retention drops in the end.
        await _alter(engine, table.name, f"ADD PARTITION IF NOT EXISTS ({_definition('before_days', first)})")
    if ahead:
        definitions = ", ".join(_definition(f"d{day:%Y%m%d}", day + timedelta(days=1)) for day in ahead)
        await _alter(engine, table.name, f"ADD PARTITION IF NOT EXISTS ({definitions})")
    horizon = today - timedelta(days=table.retention_days)
    expired = [p for p in partitions if p.ends <= horizon and p.name != FIRST]
    if expired:
        names = [p.name for p in expired]
        # First the horizon: whoever computes rollups again after a crash in between leaves those in front of it alone.
        rows_from = datetime.combine(max(p.ends for p in expired), time.min)
        await in_transaction(engine, lambda connection: advance_horizon(connection, table.name, rows_from))
        log.info("partitions dropped", table=table.name, partitions=names)
        await _alter(engine, table.name, f"DROP PARTITION IF EXISTS {', '.join(names)}")


def _definition(name: str, ends: date) -> str:
    return f"PARTITION {name} VALUES LESS THAN ('{ends:%Y-%m-%d}')"


async def _partitions(engine: AsyncEngine, table: str) -> list[_Partition]:
    async with engine.connect() as connection:
        rows = (await connection.execute(_BOUNDS, {"table": table})).all()
    return [_Partition(row.name, datetime.fromisoformat(re.sub("'", "", row.bound)).date()) for row in rows]


async def _alter(engine: AsyncEngine, table: str, change: str) -> None:
    """Run one change with a short lock wait, so that a long read delays it instead of it blocking everyone."""

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(
            text(f"SET STATEMENT lock_wait_timeout={LOCK_WAIT_SECONDS} FOR ALTER TABLE {table} {change}")
        )

    await in_transaction(engine, work, attempts=ATTEMPTS)
