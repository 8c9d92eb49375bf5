"""Telling every service about revocations: written with the change itself, published right after it was committed."""

import asyncio
import time

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_auth.schema import outbox
from telltale_shared.broker import Publisher, PublishFailed
from telltale_shared.contracts import Revocation, encode, schema_of
from telltale_shared.topology import IDENTITY_REVOCATIONS

log = structlog.get_logger("telltale.outbox")

LOOK_PERIOD = 1.0
"""Seconds between looks for what another copy, or a command, has left; what this copy writes wakes it at once."""
PUBLISH_TIMEOUT = 3.0
AT_ONCE = 100


async def revoke_account(connection: AsyncConnection, user_id: int, *, before_version: int) -> None:
    """Have every service refuse the account's tokens with a smaller version, once the transaction is committed."""
    await _put(connection, Revocation(user_id=str(user_id), before_version=before_version, at=_now_us()))


async def revoke_session(connection: AsyncConnection, user_id: int, session_id: str) -> None:
    """Have every service refuse the tokens of one session, once the transaction is committed."""
    await _put(connection, Revocation(user_id=str(user_id), session_id=session_id, at=_now_us()))


async def _put(connection: AsyncConnection, revocation: Revocation) -> None:
    values = {"routing_key": IDENTITY_REVOCATIONS, "type": schema_of(revocation), "body": encode(revocation)}
    await connection.execute(insert(outbox).values(values))


def _now_us() -> int:
    return time.time_ns() // 1_000


class Outbox:
    """Publishes what waits in the table. Several copies of auth may do so at once: each row goes to one of them.

    A row is deleted after the broker's confirm; one whose transaction fails then is published again, which changes
    nothing for whoever hears it twice.
    """

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._wake_up = asyncio.Event()

    def wake(self) -> None:
        """Something may have been committed: look now."""
        self._wake_up.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._wake_up.clear()
            try:
                while await self._publish_some():
                    pass
            except (PublishFailed, SQLAlchemyError, OSError) as error:
                log.warning("revocations wait in the outbox", error=str(error)[:200])
                await asyncio.sleep(LOOK_PERIOD)
            try:
                async with asyncio.timeout(LOOK_PERIOD):
                    await self._wake_up.wait()
            except TimeoutError:
                continue

    async def _publish_some(self) -> bool:
        if self._publisher.problem is not None:
            return False  # tried again with the next look, without holding rows and a connection meanwhile
        async with self._engine.begin() as connection:
            query = select(outbox).order_by(outbox.c.id).limit(AT_ONCE).with_for_update(skip_locked=True)
            rows = (await connection.execute(query)).all()
            for row in rows:
                await self._publisher.publish(row.routing_key, row.body, schema=row.type, timeout=PUBLISH_TIMEOUT)
            if rows:
                await connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
        return len(rows) == AT_ONCE
