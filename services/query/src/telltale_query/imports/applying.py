"""The second half of an import: chunk by chunk, each in a transaction of its own that also notes that it is done.

So it goes on after a crash where it was, and a chunk is never stored twice. Between two chunks it gives way to readings
that wait.
"""

import asyncio
import time
from functools import partial

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports import staging
from telltale_query.imports.blocks import Block
from telltale_query.imports.repository import count_rows
from telltale_query.imports.schemas import ImportRecord
from telltale_query.jobs.run import JobFailed, JobRun
from telltale_shared.database import in_transaction
from telltale_shared.instants import microseconds
from telltale_shared.store.audit import Actor
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.imports import store_rows
from telltale_shared.store.records import Columns, Imported, InsertRaced
from telltale_shared.store.series import NewSeries, Series, find_or_create_series
from telltale_shared.system_events import now_us

RACES = 5
"""Times that a chunk may meet somebody who stores the same records at the same moment."""


class Applying:
    """Stores the rows of one checked file.

    Args:
        run: the job.
        record: the import.
        actor: in whose name.
    """

    def __init__(self, run: JobRun, record: ImportRecord, actor: Actor) -> None:
        self._run = run
        self._record = record
        self._actor = actor
        self._series: dict[int, Series] = {}
        """By position; only what is certainly committed."""

    async def run(self) -> None:
        """Store what is not stored yet.

        Raises:
            JobFailed: it turns out that the rest cannot be stored.
            Cancelled: somebody wants it to end; what is stored so far must be taken back.
        """
        async with self._run.engine.connect() as connection:
            total, done = await staging.count_staged(connection, self._record.id)
        await self._run.progress(phase="applying", rows_done=done, rows_total=total)
        upcoming = asyncio.create_task(self._next(-1))
        try:
            while (found := await upcoming) is not None:
                number, chunk = found
                upcoming = asyncio.create_task(self._next(number))
                await self._run.checkpoint()
                began = time.monotonic()
                await self._store(number, chunk, done)
                done += len(chunk)
                await self._run.pace.rest(time.monotonic() - began)
        finally:
            upcoming.cancel()

    async def _next(self, after: int) -> tuple[int, Block] | None:
        async with self._run.engine.connect() as connection:
            found = await staging.next_chunk(connection, self._record.id, after=after)
        return None if found is None else (found[0], Block.decode(found[1]))

    async def _store(self, number: int, chunk: Block, done: int) -> None:
        for attempt in range(1, RACES + 1):
            try:
                series = await in_transaction(self._run.engine, partial(self._step, number, chunk, done))
            except InsertRaced:
                if attempt == RACES:
                    raise
            else:
                self._series |= series
                return

    async def _step(self, number: int, chunk: Block, done: int, connection: AsyncConnection) -> dict[int, Series]:
        """One chunk in the transaction of ``connection``. Returns the series that it had to look up."""
        if not await staging.mark_applied(connection, self._record.id, number):
            return {}  # the attempt before has committed, and only the answer to it was lost
        rows_from = await hold_horizon(connection)
        if rows_from is not None and int(chunk.observed_at.min()) < microseconds(rows_from):
            # The rollups still hold what was dropped: what comes back would count twice.
            raise JobFailed(
                f"Since the file was checked, records of before {rows_from:%Y-%m-%d %H:%M} UTC have been dropped "
                "because of their age, and the file has some from then: leave these out and import it again."
            )
        new = await self._identify(connection, chunk)
        series = self._series | new
        positions, which = np.unique(chunk.position, return_inverse=True)
        ids = np.array([series[position].id for position in positions.tolist()], np.int64)[which]
        order = np.lexsort((chunk.observed_at, ids))
        origins = np.array([series[position].origin for position in positions.tolist()])[which][order]
        rows = chunk.take(order)
        columns = Columns(ids[order], rows.observed_at, rows.value)
        stored = await store_rows(
            connection,
            self._actor,
            columns,
            origins,
            Imported(self._record.id, rows.note_column()),
            replace=self._record.options.on_conflict == "replace",
        )
        await count_rows(
            connection, self._record.id,
            stored=stored.stored, repeated=stored.repeated, kept=stored.kept, replaced=stored.replaced,
        )  # fmt: skip
        await self._run.progress(rows_done=done + len(chunk), connection=connection)
        return new

    async def _identify(self, connection: AsyncConnection, chunk: Block) -> dict[int, Series]:
        """The series of ``chunk`` that are not known yet; those that do not exist are created."""
        positions, first = np.unique(chunk.position, return_index=True)
        first_value = {
            position: float(chunk.value[row])
            for position, row in zip(positions.tolist(), first.tolist(), strict=True)
            if position not in self._series
        }
        if not first_value:
            return {}
        staged = [
            one
            for one in await staging.read_series(connection, self._record.id, min(first_value), max(first_value))
            if one.position in first_value
        ]
        wanted = {(one.source, one.category): NewSeries(one.unit, first_value[one.position]) for one in staged}
        found = await find_or_create_series(connection, wanted, now=now_us())
        identified = {one.position: found[one.source, one.category] for one in staged}
        for one in staged:
            stored = identified[one.position]
            if one.unit is not None and one.unit != stored.unit:
                own = f"in {stored.unit!r}" if stored.unit else "without a unit"
                raise JobFailed(
                    f"While the file was checked, records of {one.source} · {one.category} were stored {own}; those of "
                    f"the file are in {one.unit!r}. Correct the unit in the file and import it again."
                )
        await staging.identify_series(
            connection, self._record.id, [(position, one.id) for position, one in identified.items()]
        )
        return identified
