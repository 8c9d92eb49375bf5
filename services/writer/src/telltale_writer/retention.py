"""Partitions made ahead of time and dropped when their time is over."""

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.database import in_transaction, is_transient
from telltale_shared.store.events import forget_instances
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.system_events import now_us

log = structlog.get_logger("telltale.writer")

PERIOD = 3_600.0
RETRY_SECONDS = 1.0
INSTANCE_MEMORY = 3_600 * 1_000_000
"""How long an instance that sends no heartbeat stays on the status page, µs."""


class Retention:
    """Keeps the partitioned tables as wide as they should be."""

    def __init__(self, engine: AsyncEngine, tables: list[PartitionedTable]) -> None:
        self._engine = engine
        self._tables = tables

    async def apply(self) -> None:
        """Make the partitions of the coming days, drop those past their retention."""
        today = datetime.now(UTC).date()
        for table in self._tables:
            await ensure_partitions(self._engine, table, today=today)
        forget_before = now_us() - INSTANCE_MEMORY
        await in_transaction(self._engine, lambda connection: forget_instances(connection, before=forget_before))

    async def begin(self) -> None:
        """Apply before anything is stored; a long read or a database that goes away again only delays it.

        Raises:
            DBAPIError: trying again cannot help.
        """
        while True:
            try:
                await self.apply()
            except (DBAPIError, OSError, TimeoutError) as error:
                if not is_transient(error):
                    raise
                log.warning("waiting to make partitions", error=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def run(self) -> None:
        """Apply every hour. A failure is logged and tried again: there are days of partitions in hand."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.apply()
            except (DBAPIError, OSError, TimeoutError):
                log.exception("partitions not maintained")
