"""What is decided about deletions: when one may begin, and how it is done so that it can be broken off anywhere."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.deletions.repository import lock_matching, stretches
from telltale_query.deletions.schemas import KIND, Deletion, Preview, as_json
from telltale_query.filters import ReadingQuery
from telltale_query.jobs.beginning import begin_once
from telltale_query.jobs.repository import create_job, read_job
from telltale_query.jobs.run import JobRun, Kind
from telltale_query.jobs.schemas import Claim, Job, JobState
from telltale_query.paging import Total
from telltale_query.records.counting import count_cheaply
from telltale_query.records.service import select_stored
from telltale_query.records.spans import Span
from telltale_query.selection import Selection
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict
from telltale_shared.instants import microseconds
from telltale_shared.store.audit import Actor, Facts, read_audit_after, update_audit, write_audit
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.removals import remove_records

EFFORT = 20.0
"""Times that of a list: a count that somebody relies on may take a second."""
BEGUN = "begun"


async def preview_deletion(connection: AsyncConnection, query: ReadingQuery) -> Preview:
    """How many records ``query`` chooses right now.

    Raises:
        InvalidRequest: a bad range.
    """
    ended = _until_now(query)
    total = await _count(connection, ended)
    return Preview(total.count, total.exact, as_json(ended))


def _until_now(query: ReadingQuery) -> ReadingQuery:
    """The same without what will be measured later, which nobody has counted."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return query if query.end is not None and query.end <= now else query.model_copy(update={"end": now})


async def order_deletion(engine: AsyncEngine, actor: Actor, deletion: Deletion) -> Job | None:
    """Have the records deleted, provided that they are as many as whoever asks believes. Returns the job.

    Raises:
        InvalidRequest: a bad range.
        Conflict: they are more or fewer by now.
    """
    deletion = deletion.model_copy(update={"filter": _until_now(deletion.filter)})
    async with engine.connect() as connection:
        total = await _count(connection, deletion.filter)
    if total.count != deletion.expected_count:
        raise Conflict(
            f"these are {'' if total.exact else 'at least '}{total.count:,} records by now and not "
            f"{deletion.expected_count:,}: look at the preview again, and give the filter an end (`to`)"
        )
    begin = partial(_begin, actor=actor, deletion=deletion, exact=total.exact)
    job_id = await begin_once(engine, actor, KIND, begin)
    async with engine.connect() as connection:
        return await read_job(connection, job_id)


async def _count(connection: AsyncConnection, query: ReadingQuery) -> Total:
    return await count_cheaply(connection, await select_stored(connection, query), effort=EFFORT)


async def _begin(connection: AsyncConnection, actor: Actor, deletion: Deletion, exact: bool) -> int:
    chosen = as_json(deletion.filter)
    before: Facts = {"expected": deletion.expected_count, **{name: _fact(value) for name, value in chosen.items()}}
    target = "records · " + " · ".join(f"{name} {_fact(value)}" for name, value in chosen.items())
    audit_id = await write_audit(
        connection, actor, "record.delete_many", target, before=before, after={"deleted": 0}, outcome=BEGUN
    )
    rows_total = deletion.expected_count if exact else None
    parameters = {"filter": chosen, "rows_total": rows_total, "audit_id": audit_id}
    return await create_job(connection, actor, KIND, parameters)


def _fact(value: Any) -> str | float | int | bool | None:
    return ", ".join(value) if isinstance(value, list) else value


def kinds() -> Mapping[str, Kind]:
    """The kinds of job that deletions need."""
    return {KIND: Kind(_delete, on_end=_note_end)}


async def _delete(run: JobRun) -> Mapping[str, Any]:
    """Delete what the filter of the job chooses. What is deleted already is not there to be found again."""
    query = ReadingQuery.model_validate(run.job.parameters["filter"])
    audit_id = run.job.parameters["audit_id"]
    async with run.engine.connect() as connection:
        selection = await select_stored(connection, query)
        deleted = await _deleted(connection, audit_id)
        await connection.rollback()
        await run.progress(phase="deleting", rows_done=deleted, rows_total=run.job.parameters["rows_total"])
        async for spans in stretches(connection, selection):
            await run.checkpoint()
            step = partial(_delete_some, run=run, selection=selection, spans=spans)
            began = time.monotonic()
            deleted = await in_transaction(run.engine, step)
            await run.progress(rows_done=deleted)
            await run.pace.rest(time.monotonic() - began)

    async def finish(connection: AsyncConnection) -> None:
        await run.progress(rows_done=deleted, connection=connection)
        await update_audit(connection, audit_id, after={"deleted": deleted}, outcome="done")

    await in_transaction(run.engine, finish)
    return {"deleted": deleted}


async def _deleted(connection: AsyncConnection, audit_id: int) -> int:
    """How many records are deleted by what is committed."""
    return int((await read_audit_after(connection, audit_id)).get("deleted", 0))


async def _delete_some(connection: AsyncConnection, run: JobRun, selection: Selection, spans: Sequence[Span]) -> int:
    """One step: the records in ``spans``, with all that hangs on them. Returns how many are deleted altogether."""
    await run.hold(connection)
    # Not what this process counted: of an attempt that has committed, the answer may have been lost.
    deleted = await _deleted(connection, run.job.parameters["audit_id"])
    rows_from = await hold_horizon(connection)
    keys = [
        key for key in await lock_matching(connection, selection, spans) if rows_from is None or key[1] >= rows_from
    ]
    if not keys:
        return deleted
    series_id = np.array([key[0] for key in keys], np.int64)
    observed_at = np.array([microseconds(key[1]) for key in keys], np.int64)
    await remove_records(connection, series_id, observed_at, deleted_by=run.job.actor)
    deleted += len(keys)
    await update_audit(connection, run.job.parameters["audit_id"], after={"deleted": deleted}, outcome=BEGUN)
    return deleted


async def _note_end(connection: AsyncConnection, claim: Claim, state: JobState, problem: str | None) -> None:
    """The job was cancelled or has failed: what is deleted by then stays deleted, and the audit trail says how much."""
    audit_id = claim.parameters["audit_id"]
    after = await read_audit_after(connection, audit_id)
    await update_audit(
        connection, audit_id, after={**after, **({"problem": problem} if problem else {})}, outcome=state.value
    )
