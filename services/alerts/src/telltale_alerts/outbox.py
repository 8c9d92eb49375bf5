"""Telling the live stream of every change: written with the change itself, published right after it was committed."""

import asyncio

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_alerts.schema import outbox
from telltale_shared.broker import Publisher, PublishFailed

log = structlog.get_logger("telltale.outbox")

LOOK_PERIOD = 1.0
"""Seconds between looks after a failure; what is committed wakes it at once."""
PUBLISH_TIMEOUT = 3.0
AT_ONCE = 100


class Outbox:
    """Publishes what waits in the table, in order.

    A row is deleted after the broker's confirm; one whose transaction fails then is published again, which its number
    tells whoever hears it twice.
    """

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._wake_up = asyncio.Event()

    def wake(self) -> None:
        """Something was committed: look now."""
        self._wake_up.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._wake_up.clear()
            try:
                while await self._publish_some():
                    pass
            except (PublishFailed, SQLAlchemyError, OSError) as error:
                log.warning("changes of alerts wait in the outbox", error=str(error)[:200])
                await asyncio.sleep(LOOK_PERIOD)
            try:
                async with asyncio.timeout(LOOK_PERIOD):
                    await self._wake_up.wait()
            except TimeoutError:
                continue

    async def _publish_some(self) -> bool:
        if self._publisher.problem is not None:
            return False  # tried again with the next look
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(outbox).order_by(outbox.c.id).limit(AT_ONCE))).all()
        for row in rows:
            await self._publisher.publish(row.routing_key, row.body, schema=row.type, timeout=PUBLISH_TIMEOUT)
        if rows:
            async with self._engine.begin() as connection:
                await connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
        return len(rows) == AT_ONCE
