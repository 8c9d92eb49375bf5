"""Messages that are written with the change that they tell, and published right after it was committed."""

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_shared.broker import Publisher
from telltale_shared.emptying import Emptier

PUBLISH_TIMEOUT = 3.0
AT_ONCE = 100


class Outbox(Emptier):
    """Publishes what waits in a table, in order. Several copies may do so at once: each row goes to one of them.

    A row is deleted after the broker's confirm; one whose transaction fails then is published again, so whoever hears
    the messages must bear to hear one twice.

    Args:
        table: with the columns ``id``, ``routing_key``, ``type`` (of the contract) and ``body``.
        holds: what waits there, for the log.
    """

    def __init__(self, engine: AsyncEngine, publisher: Publisher, table: Table, *, holds: str) -> None:
        super().__init__(holds=holds)
        self._engine = engine
        self._publisher = publisher
        self._table = table

    async def _do_some(self) -> bool:
        if self._publisher.problem is not None:
            return False  # tried again with the next look, without holding rows and a connection meanwhile
        outbox = self._table
        async with self._engine.begin() as connection:
            query = select(outbox).order_by(outbox.c.id).limit(AT_ONCE).with_for_update(skip_locked=True)
            rows = (await connection.execute(query)).all()
            for row in rows:
                await self._publisher.publish(row.routing_key, row.body, schema=row.type, timeout=PUBLISH_TIMEOUT)
            if rows:
                await connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
        return len(rows) == AT_ONCE
