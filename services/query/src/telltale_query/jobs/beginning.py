"""Asking for long work exactly once, although the answer to a COMMIT may be lost."""

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.changing import change_once
from telltale_query.jobs.repository import is_job_of
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

    async def begin(connection: AsyncConnection) -> tuple[int, int]:
        job_id = await work(connection)
        return job_id, job_id

    return await change_once(engine, begin, partial(is_job_of, actor=actor, kind=kind))
