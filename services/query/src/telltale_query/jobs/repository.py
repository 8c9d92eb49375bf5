"""Jobs in the database: made, listed, taken by lease, reported on, ended.

Whoever holds the lease of a job works on it. All times are the database's own: workers need not
agree on theirs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import outside, outside_or_none
from telltale_query.jobs.schemas import Claim, Job, JobQuery, JobState
from telltale_query.paging import RowId, Total, Window
from telltale_shared.store.audit import Actor
from telltale_shared.store.schema import jobs

PROBLEM_MAX = 1_000
NOBODY = "nobody"
"""Owner of the lease of a job that waits for its next attempt."""


class LeaseLost(Exception):
    """Somebody else works on this job now, or it has ended: whatever was not committed yet must not be."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in a list, newest first, a page begins or ends: what the cursor holds."""

    id: RowId


_CREATE = text("""
INSERT INTO jobs (kind, state, parameters, created_by, created_by_name, request_id, created_at, updated_at)
VALUES (:kind, 'queued', :parameters, :created_by, :created_by_name, :request_id, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
""")
_FIND_FREE = text("""
SELECT id, kind, parameters, created_by, created_by_name, request_id, attempts, cancel_requested, phase FROM jobs
WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until <= UTC_TIMESTAMP(6))
  AND (kind IN :kinds OR (:cancelled AND cancel_requested))
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""").bindparams(bindparam("kinds", expanding=True))
_TAKE = text("""
UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_owner = :owner,
  lease_until = UTC_TIMESTAMP(6) + INTERVAL :seconds SECOND,
  started_at = COALESCE(started_at, UTC_TIMESTAMP(6)), updated_at = UTC_TIMESTAMP(6)
WHERE id = :id
""")
# ``updated_at`` always changes, so that the driver's count of changed rows tells whether we still hold the lease.
_RENEW = text("""
UPDATE jobs SET lease_until = UTC_TIMESTAMP(6) + INTERVAL :seconds SECOND, updated_at = UTC_TIMESTAMP(6)
WHERE id = :id AND lease_owner = :owner AND state = 'running'
""")
_REPORT = text("""
UPDATE jobs SET phase = :phase, rows_done = :rows_done, rows_total = :rows_total, rate = :rate,
  updated_at = UTC_TIMESTAMP(6)
WHERE id = :id AND lease_owner = :owner AND state = 'running'
""")
_HAND_BACK = text("""
UPDATE jobs SET state = 'queued', lease_owner = :nobody, lease_until = UTC_TIMESTAMP(6) + INTERVAL :delay SECOND,
  attempts = attempts - :uncounted, updated_at = UTC_TIMESTAMP(6)
WHERE id = :id AND lease_owner = :owner AND state = 'running'
""")
_END = text("""
UPDATE jobs SET state = :state, result = :result, problem = :problem, lease_owner = NULL, lease_until = NULL,
  finished_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6),
  rate = rows_done / GREATEST(0.001, TIMESTAMPDIFF(MICROSECOND, started_at, UTC_TIMESTAMP(6)) / 1e6)
WHERE id = :id AND lease_owner = :owner AND state = 'running'
""")
_CANCEL = text("""
UPDATE jobs SET cancel_requested = TRUE, updated_at = UTC_TIMESTAMP(6)
WHERE id = :id AND state IN ('queued', 'running')
""")
_FORGET = text("""
DELETE FROM jobs WHERE finished_at < UTC_TIMESTAMP(6) - INTERVAL :days DAY ORDER BY id LIMIT :limit
""")


async def create_job(connection: AsyncConnection, actor: Actor, kind: str, parameters: Mapping[str, Any]) -> int:
    """Ask for long work.

    Args:
        connection: in the transaction of the request, so that the work begins once that is committed.
        actor: who asks.
        kind: a key of :func:`telltale_query.jobs.registry.kinds`.
        parameters: what its handler needs; JSON.

    Returns:
        The id of the job.
    """
    result = await connection.execute(
        _CREATE,
        {
            "kind": kind,
            "parameters": json.dumps(parameters),
            "created_by": actor.id[:64],
            "created_by_name": actor.name[:100],
            "request_id": actor.request_id,
        },
    )
    return int(result.lastrowid)


async def is_job_of(connection: AsyncConnection, job_id: int, actor: Actor, kind: str) -> bool:
    """Whether there is a job ``job_id`` of this kind that the same request of ``actor`` has asked for."""
    same = select(jobs.c.id).where(
        jobs.c.id == job_id,
        jobs.c.kind == kind,
        jobs.c.created_by == actor.id[:64],
        jobs.c.request_id.is_not_distinct_from(actor.request_id),
    )
    return (await connection.execute(same)).first() is not None


async def take_job(
    connection: AsyncConnection,
    job_id: int,
    owner: str,
    *,
    phase: str,
    parameters: Mapping[str, Any],
    lease_seconds: float,
) -> Claim:
    """Take the lease of a job that was made in this transaction: nobody else begins it before it is handed back.

    Args:
        connection: in the transaction that made it.
        job_id: which job.
        owner: a name that no other attempt has.
        phase: what is being done before it can begin.
        parameters: what its handler needs.
        lease_seconds: how long the lease holds unless it is renewed.
    """
    await connection.execute(_TAKE, {"id": job_id, "owner": owner, "seconds": lease_seconds})
    await connection.execute(update(jobs).where(jobs.c.id == job_id).values(phase=phase, parameters=dict(parameters)))
    row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).one()
    return _claim(row, owner, row.attempts)


async def claim_job(
    connection: AsyncConnection, owner: str, kinds: Sequence[str], *, lease_seconds: float, any_cancelled: bool = False
) -> Claim | None:
    """Take the lease of the oldest job that nobody works on, or None.

    Args:
        connection: in a transaction of its own.
        owner: the name of this attempt; no other attempt ever has it.
        kinds: what the worker can do.
        lease_seconds: how long the lease holds unless it is renewed.
        any_cancelled: take a job of any kind that somebody wants to be cancelled.
    """
    wanted = {"kinds": list(kinds), "cancelled": any_cancelled}
    row = (await connection.execute(_FIND_FREE, wanted)).first()
    if row is None:
        return None
    await connection.execute(_TAKE, {"id": row.id, "owner": owner, "seconds": lease_seconds})
    return _claim(row, owner, row.attempts + 1)


def _claim(row: Row[Any], owner: str, attempts: int) -> Claim:
    return Claim(
        id=row.id,
        kind=row.kind,
        parameters=_decoded(row.parameters),
        actor=Actor(row.created_by, row.created_by_name, row.request_id),
        owner=owner,
        attempts=attempts,
        cancel_requested=bool(row.cancel_requested),
        phase=row.phase,
    )


async def renew_lease(connection: AsyncConnection, claim: Claim, *, lease_seconds: float) -> bool:
    """Hold the lease for longer. Returns whether somebody wants the job to be cancelled.

    Within a transaction this also makes sure that nobody else takes the job over before it commits.

    Raises:
        LeaseLost: it is no longer ours.
    """
    await _ours(connection, _RENEW, claim, seconds=lease_seconds)
    return await _is_cancelled(connection, claim)


async def _is_cancelled(connection: AsyncConnection, claim: Claim) -> bool:
    requested = await connection.execute(select(jobs.c.cancel_requested).where(jobs.c.id == claim.id))
    return bool(requested.scalar_one())


async def report_progress(
    connection: AsyncConnection,
    claim: Claim,
    *,
    phase: str | None,
    rows_done: int,
    rows_total: int | None,
    rate: float | None,
) -> bool:
    """Write down how far the job is. In the transaction of a step, only the holder of the lease can commit it.

    Returns:
        Whether somebody wants the job to be cancelled.

    Raises:
        LeaseLost: it is no longer ours.
    """
    await _ours(connection, _REPORT, claim, phase=phase, rows_done=rows_done, rows_total=rows_total, rate=rate)
    return await _is_cancelled(connection, claim)


async def hand_back(connection: AsyncConnection, claim: Claim, *, delay: float = 0.0, counted: bool = False) -> None:
    """Let others go on with the job.

    Args:
        connection: in a transaction of its own.
        claim: what is handed back.
        delay: seconds until somebody may take it.
        counted: whether this attempt counts.

    Raises:
        LeaseLost: it is no longer ours.
    """
    await _ours(connection, _HAND_BACK, claim, delay=delay, uncounted=0 if counted else 1, nobody=NOBODY)


async def end_job(
    connection: AsyncConnection,
    claim: Claim,
    state: JobState,
    *,
    result: Mapping[str, Any] | None = None,
    problem: str | None = None,
) -> None:
    """Write down the outcome.

    Raises:
        LeaseLost: it is no longer ours.
    """
    values = {
        "state": state.value,
        "result": None if result is None else json.dumps(result),
        "problem": None if problem is None else problem[:PROBLEM_MAX],
    }
    await _ours(connection, _END, claim, **values)


async def _ours(connection: AsyncConnection, statement: Any, claim: Claim, **values: Any) -> None:
    changed = await connection.execute(statement, {"id": claim.id, "owner": claim.owner, **values})
    if changed.rowcount != 1:
        raise LeaseLost(claim.id)


async def delete_job(connection: AsyncConnection, claim: Claim) -> bool:
    """Make it as if the job had never been asked for. Returns False, and leaves it, where the lease is not ours."""
    ours = delete(jobs).where(jobs.c.id == claim.id, jobs.c.lease_owner == claim.owner)
    return bool((await connection.execute(ours)).rowcount)


async def request_cancel(connection: AsyncConnection, job_id: int) -> bool:
    """Ask for the end of a job. Returns False where it has ended already."""
    return bool((await connection.execute(_CANCEL, {"id": job_id})).rowcount)


async def forget_jobs(connection: AsyncConnection, *, days: int, limit: int) -> int:
    """Delete at most ``limit`` jobs that ended more than ``days`` ago. Returns how many."""
    return int((await connection.execute(_FORGET, {"days": days, "limit": limit})).rowcount)


async def read_job(connection: AsyncConnection, job_id: int, *, owned_by: str | None = None) -> Job | None:
    """One job, or None where there is no such job (of ``owned_by``)."""
    query = select(jobs).where(jobs.c.id == job_id)
    if owned_by is not None:
        query = query.where(jobs.c.created_by == owned_by)
    row = (await connection.execute(query)).first()
    return None if row is None else _job(row)


async def read_jobs(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, Job]:
    """Those of the jobs ``ids`` that are still known, by id."""
    if not ids:
        return {}
    rows = await connection.execute(select(jobs).where(jobs.c.id.in_(ids)))
    return {row.id: _job(row) for row in rows}


async def list_jobs(
    connection: AsyncConnection, query: JobQuery, window: Window[Place], *, owned_by: str | None
) -> tuple[list[Job], Total]:
    """The jobs of ``window``, newest first, and how many there are."""
    conditions = []
    if owned_by is not None:
        conditions.append(jobs.c.created_by == owned_by)
    if query.kind:
        conditions.append(jobs.c.kind.in_(query.kind))
    if query.state:
        conditions.append(jobs.c.state.in_([state.value for state in query.state]))
    total = (await connection.execute(select(func.count()).select_from(jobs).where(*conditions))).scalar_one()
    page = window.narrow(select(jobs).where(*conditions), (jobs.c.id,), lambda place: (place.id,), descending=True)
    return [_job(row) for row in await connection.execute(page)], Total(total)


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=JobState(row.state),
        phase=row.phase,
        rows_done=row.rows_done,
        rows_total=row.rows_total,
        rate=None if row.rate is None else round(row.rate, 1),
        problem=row.problem,
        result=_decoded(row.result),
        cancel_requested=bool(row.cancel_requested),
        created_by=row.created_by_name,
        created_at=outside(row.created_at),
        started_at=outside_or_none(row.started_at),
        finished_at=outside_or_none(row.finished_at),
    )


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value
