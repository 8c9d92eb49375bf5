"""What is too old to be kept."""

import asyncio

import structlog
from sqlalchemy import Delete, delete, or_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_alerts.monitor import Monitor
from telltale_alerts.schema import alerts, audit_log, deliveries, silences
from telltale_alerts.webhooks.repository import WAITING
from telltale_shared.database import in_transaction
from telltale_shared.errors import Unavailable
from telltale_shared.instants import instant
from telltale_shared.system_events import now_us
from telltale_shared.validation import DAY

log = structlog.get_logger("telltale.alerts")

PERIOD = 3_600.0
"""Seconds."""
AT_ONCE = 1_000
"""Rows deleted in one transaction."""


class Housekeeping:
    """Forgets alerts that are over, with all that belongs to them, and series that send nothing any more."""

    def __init__(self, engine: AsyncEngine, monitor: Monitor, *, history_days: int, series_days: int) -> None:
        self._engine = engine
        self._monitor = monitor
        self._history = history_days * DAY
        self._series = series_days * DAY

    async def run(self) -> None:
        """Tidy up until cancelled."""
        while True:
            try:
                await self.tidy_up(now_us())
            except (SQLAlchemyError, OSError, Unavailable) as error:
                log.warning("not tidied up", error=str(error)[:200])
            await asyncio.sleep(PERIOD)

    async def tidy_up(self, now: int) -> None:
        """Forget what is too old at ``now``, µs since 1970-01-01 UTC."""
        horizon = now - self._history
        for statement in (
            delete(alerts).where(alerts.c.resolved_at < horizon),
            delete(silences).where(silences.c.ends_at < horizon),
            delete(audit_log).where(audit_log.c.at < instant(horizon)),
            delete(deliveries).where(
                or_(deliveries.c.ended_at < instant(horizon), deliveries.c.created_at < instant(horizon - DAY)),
                deliveries.c.state != WAITING,
            ),
        ):
            await self._delete_all(statement.with_dialect_options(mysql_limit=AT_ONCE))
        gone = await self._monitor.forget_series(now - self._series)
        if gone:
            log.info("series not watched any more", count=len(gone), examples=gone[:5])

    async def _delete_all(self, statement: Delete) -> None:
        """Run a statement that deletes so many rows at most until there are none."""

        async def work(connection: AsyncConnection) -> int:
            return int((await connection.execute(statement)).rowcount)

        deleted = AT_ONCE
        while deleted == AT_ONCE:
            deleted = await in_transaction(self._engine, work)
