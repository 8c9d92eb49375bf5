"""Changing something exactly once, although the answer to a COMMIT may be lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_shared.database import in_transaction

Result = TypeVar("Result")


async def change_once(
    engine: AsyncEngine,
    work: Callable[[AsyncConnection], Awaitable[tuple[int, Result]]],
    is_there: Callable[[AsyncConnection, int], Awaitable[bool]],
) -> Result:
    """Run ``work`` in a transaction, again after an error that may pass, but never after it has been committed.

    Args:
        engine: of the database.
        work: makes the change; returns the id of a row that it has added, and what the caller wants to know.
        is_there: whether there is a row with this id that the same request has added.

    Returns:
        What ``work`` returned beside the id, from the attempt that was committed.
    """
    last: tuple[int, Result] | None = None

    async def once(connection: AsyncConnection) -> Result:
        nonlocal last
        # An id is never given twice: a row that has it is what the attempt before has committed.
        if last is None or not await is_there(connection, last[0]):
            last = await work(connection)
        return last[1]

    return await in_transaction(engine, once)
