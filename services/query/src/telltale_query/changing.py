"""Changing something exactly once, although the answer to a COMMIT may be lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import in_transaction
from telltale_shared.store.audit import Actor, has_audit

Result = TypeVar("Result")


async def change_once(
    engine: AsyncEngine, actor: Actor, work: Callable[[AsyncConnection], Awaitable[tuple[int, Result]]]
) -> Result:
    """Run ``work`` in a transaction, again after an error that may pass, but never after it has been committed.

    Args:
        engine: of the database.
        actor: who changes something.
        work: makes the change; returns the id of its row in the audit trail, and what the caller wants to know.

    Returns:
        What ``work`` returned beside the id, from the attempt that was committed.
    """
    last: tuple[int, Result] | None = None

    async def once(connection: AsyncConnection) -> Result:
        nonlocal last
        if last is None or not await has_audit(connection, last[0], actor):
            last = await work(connection)
        return last[1]

    return await in_transaction(engine, once)
