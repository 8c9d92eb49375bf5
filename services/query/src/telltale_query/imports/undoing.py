"""Taking an import back: replaced records get their old value, stored ones are removed, in bounded steps.

What somebody edited or deleted since stays as it is. Each step notes what it did in its own transaction, and finds
nothing of what was done already: so it goes on after a crash.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports.repository import count_rows
from telltale_query.imports.schemas import ImportRecord
from telltale_query.imports.staging import StagedSeries, known_series
from telltale_query.jobs.run import JobRun
from telltale_shared.database import in_transaction
from telltale_shared.instants import EPOCH
from telltale_shared.store.audit import Actor
from telltale_shared.store.imports import TakenBack, remove_stored, restore_replaced

RESTORED_AT_ONCE = 2_000
REMOVED_AT_ONCE = 5_000
SERIES_AT_ONCE = 500
"""Series that are read at once."""
_JUST_BEFORE = timedelta(microseconds=1)

Rest = TypeVar("Rest")


class Undoing:
    """Takes one import back.

    Args:
        run: the job.
        record: the import.
        actor: in whose name.
    """

    def __init__(self, run: JobRun, record: ImportRecord, actor: Actor) -> None:
        self._run = run
        self._record = record
        self._actor = actor
        rows = record.rows
        self._done = rows.undone + rows.restored + rows.left
        self._total = rows.stored + rows.replaced

    async def run(self) -> None:
        """Take back what is not taken back yet."""
        await self._run.progress(phase="undoing", rows_done=self._done, rows_total=self._total)
        await self._restore()
        await self._remove()

    async def _restore(self) -> None:
        after: tuple[int, datetime] | None = (0, EPOCH)
        while after is not None:
            after = await self._step(partial(self._restore_some, after))

    async def _restore_some(
        self, after: tuple[int, datetime], connection: AsyncConnection
    ) -> tuple[TakenBack, tuple[int, datetime] | None]:
        """Restore what follows ``after``. Returns, too, where the next step begins, or None when all is done."""
        took = await restore_replaced(connection, self._actor, self._record.id, after, RESTORED_AT_ONCE)
        return took, took.last if took.seen == RESTORED_AT_ONCE else None

    async def _remove(self) -> None:
        waiting: list[StagedSeries] = []
        position = -1
        while True:
            if not waiting:
                async with self._run.engine.connect() as connection:
                    waiting = await known_series(connection, self._record.id, after=position, limit=SERIES_AT_ONCE)
                if not waiting:
                    return
                position = waiting[-1].position
            waiting = await self._step(partial(self._remove_some, waiting))

    async def _remove_some(
        self, waiting: list[StagedSeries], connection: AsyncConnection
    ) -> tuple[TakenBack, list[StagedSeries]]:
        """Remove records of the first series in ``waiting``. Returns, too, what is left to do afterwards."""
        room, removed, left = REMOVED_AT_ONCE, 0, 0
        began_at = self._record.apply_began_at or EPOCH
        for number, one in enumerate(waiting):
            if room <= 0:
                return TakenBack(removed=removed, left=left), waiting[number:]
            took = await remove_stored(
                connection, self._record.id, began_at, one.series_id or 0,
                after=one.first_at - _JUST_BEFORE, until=one.last_at, limit=room,
            )  # fmt: skip
            removed, left = removed + took.removed, left + took.left
            if took.last is not None and took.seen == room:
                following = replace(one, first_at=took.last[1] + _JUST_BEFORE)
                return TakenBack(removed=removed, left=left), [following, *waiting[number + 1 :]]
            # A series without rows costs a query, too.
            room -= max(REMOVED_AT_ONCE // SERIES_AT_ONCE, took.seen)
        return TakenBack(removed=removed, left=left), []

    async def _step(self, work: Callable[[AsyncConnection], Awaitable[tuple[TakenBack, Rest]]]) -> Rest:
        """Do ``work`` in a transaction with its counts. Returns what it says is left to do."""
        began = time.monotonic()

        async def counted(connection: AsyncConnection) -> tuple[int, Rest]:
            took, rest = await work(connection)
            await count_rows(connection, self._record.id, undone=took.removed, restored=took.restored, left=took.left)
            done = self._done + took.removed + took.restored + took.left
            await self._run.progress(rows_done=done, connection=connection)
            return done, rest

        self._done, rest = await in_transaction(self._run.engine, counted)
        await self._run.pace.rest(time.monotonic() - began)
        return rest
