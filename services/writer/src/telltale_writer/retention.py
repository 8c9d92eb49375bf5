"""Partitions made ahead of time and dropped when their time is over; old rows of what has none forgotten in steps."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import DATABASE_ERRORS, in_transaction, is_transient
from telltale_shared.store.dead_letters import forget_dead_letters
from telltale_shared.store.events import forget_instances
from telltale_shared.store.ledger_upkeep import correct_figures, fold_days, fold_producers
from telltale_shared.store.partitions import PartitionedTable, ensure_partitions
from telltale_shared.system_events import now_us

log = structlog.get_logger("telltale.writer")

PERIOD = 3_600.0
RETRY_SECONDS = 1.0
INSTANCE_MEMORY = 3_600 * 1_000_000
"""How long an instance that sends no heartbeat stays on the status page, µs."""


@dataclass(frozen=True)
class Days:
    """How many days are kept of what has no partitions."""

    ledger: int
    """Of the ledger's days, and of producers that have ended; their figures stay in the totals."""
    dead_letters: int


class Retention:
    """Keeps every table as long as it should be, and the ledger's figures right."""

    def __init__(self, engine: AsyncEngine, tables: list[PartitionedTable], days: Days) -> None:
        self._engine = engine
        self._tables = tables
        self._days = days

    async def apply(self) -> None:
        """Make the partitions of the coming days, drop and forget what is past its retention."""
        today = datetime.now(UTC).date()
        for table in self._tables:
            await ensure_partitions(self._engine, table, today=today)
        forget_before = now_us() - INSTANCE_MEMORY
        await in_transaction(self._engine, lambda connection: forget_instances(connection, before=forget_before))
        await in_transaction(self._engine, lambda connection: correct_figures(connection, today=today))
        midnight = datetime.combine(today, time.min)
        ledger = midnight - timedelta(days=self._days.ledger)
        letters = midnight - timedelta(days=self._days.dead_letters)
        await self._until_none(partial(fold_producers, before=ledger))
        await self._until_none(partial(fold_days, before=ledger.date()))
        await self._until_none(partial(forget_dead_letters, before=letters))

    async def _until_none(self, step: Callable[[AsyncConnection], Awaitable[int]]) -> None:
        """Repeat ``step``, each time in a short transaction, until it finds nothing more to do."""
        while await in_transaction(self._engine, step):
            pass

    async def begin(self) -> None:
        """Apply before anything is stored; a long read or a database that goes away again only delays it.

        Raises:
            DBAPIError: trying again cannot help.
        """
        while True:
            try:
                await self.apply()
            except DATABASE_ERRORS as error:
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
            except DATABASE_ERRORS:
                log.exception("partitions not maintained")
