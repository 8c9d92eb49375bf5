"""Forgetting: files some hours after their job has ended, jobs some weeks after."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from telltale_query.jobs.files import forget_file, outdated_files
from telltale_query.jobs.repository import forget_jobs
from telltale_shared.database import DATABASE_ERRORS, in_transaction, may_pass

log = structlog.get_logger("telltale.jobs")

PERIOD = 60.0
FORGOTTEN_AT_ONCE = 500

Chore = Callable[[], Awaitable[None]]


class Housekeeping:
    """Forgets what nobody will ask for any more.

    Args:
        engine: of the database.
        file_hours: after which the file of an ended job is forgotten.
        job_days: after which an ended job itself is forgotten.
        chores: what else is to be forgotten, in small steps as well.
    """

    def __init__(self, engine: AsyncEngine, *, file_hours: int, job_days: int, chores: Sequence[Chore] = ()) -> None:
        self._engine = engine
        self._chores = chores
        self._file_hours = file_hours
        self._job_days = job_days

    async def run(self) -> None:
        """Forget every minute, until cancelled."""
        while True:
            try:
                await self.forget()
            except DATABASE_ERRORS as error:
                if not may_pass(error):
                    raise
                log.warning("outdated jobs not forgotten", error=str(error)[:200])
            await asyncio.sleep(PERIOD)

    async def forget(self) -> None:
        """Forget what is outdated now, in small steps."""
        for job_id in await outdated_files(self._engine, hours=self._file_hours):
            await forget_file(self._engine, job_id)
        some = partial(forget_jobs, days=self._job_days, limit=FORGOTTEN_AT_ONCE)
        while await in_transaction(self._engine, some) == FORGOTTEN_AT_ONCE:
            pass
        for chore in self._chores:
            await chore()
