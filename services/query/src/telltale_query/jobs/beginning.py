"""Asking for long work exactly once, although the answer to a COMMIT may be lost."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.jobs.repository import is_job_of
from telltale_shared.database import in_transaction
from telltale_shared.store.audit import Actor


async def begin_once(
    engine: AsyncEngine, actor: Actor, kind: str, work: Callable[[AsyncConnection], Awaitable[int]]
) -> int:
    """Run ``work`` in a transaction, again after an error that may pass, but never after it has been committed.

    Args:
        engine: of the database.
        actor: who asks.
        kind: of the job.
        work: makes one job, and what belongs to it, and returns its id.

    Returns:
        The id of the job.
    """
    made: int | None = None

    async def once(connection: AsyncConnection) -> int:
        nonlocal made
        # An id is never given twice: a job that has it is what the attempt before has committed.
        if made is None or not await is_job_of(connection, made, actor, kind):
            made = await work(connection)
        return made

    return await in_transaction(engine, once)
