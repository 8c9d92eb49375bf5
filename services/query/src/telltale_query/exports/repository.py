"""Exports as they are kept: jobs that make a file."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, Select, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.exports.schemas import KIND, Export, ExportFormat, ExportState
from telltale_query.instants import outside, outside_or_none
from telltale_query.jobs.schemas import UNFINISHED
from telltale_query.paging import RowId, Total, Window
from telltale_shared.store.schema import jobs

_COUNT = text("""
SELECT COALESCE(SUM(state IN ('queued', 'running')), 0),
  COALESCE(SUM(state = 'done' AND finished_at > UTC_TIMESTAMP(6) - INTERVAL :hours HOUR), 0)
FROM jobs WHERE kind = :kind AND created_by = :owner
""")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in the list of exports, newest first, a page ended: what the cursor holds."""

    id: RowId


def _exports(owned_by: str | None) -> Select[Any]:
    statement = select(jobs).where(jobs.c.kind == KIND)
    return statement if owned_by is None else statement.where(jobs.c.created_by == owned_by)


async def list_exports(
    connection: AsyncConnection, *, owned_by: str, window: Window[Place], file_hours: int
) -> tuple[list[Export], Total]:
    """The exports of a person that ``window`` asks for, newest first, and how many there are."""
    owned = _exports(owned_by)
    total = (await connection.execute(select(func.count()).select_from(owned.subquery()))).scalar_one()
    some = window.narrow(owned, (jobs.c.id,), lambda place: (place.id,), descending=True)
    return [_export(row, file_hours) for row in await connection.execute(some)], Total(total)


async def read_export(
    connection: AsyncConnection, export_id: int, *, owned_by: str | None, file_hours: int
) -> Export | None:
    """One export, or None where there is none (of ``owned_by``)."""
    row = (await connection.execute(_exports(owned_by).where(jobs.c.id == export_id))).first()
    return None if row is None else _export(row, file_hours)


async def count_exports(connection: AsyncConnection, *, owned_by: str, file_hours: int) -> tuple[int, int]:
    """How many exports of a person are unfinished, and how many files are kept for them."""
    counted = await connection.execute(_COUNT, {"kind": KIND, "owner": owned_by, "hours": file_hours})
    waiting, kept = counted.one()
    return int(waiting), int(kept)


async def forget_export(connection: AsyncConnection, export_id: int) -> bool:
    """Forget an export that has ended. Returns False where it has not."""
    ended = delete(jobs).where(jobs.c.id == export_id, jobs.c.kind == KIND, jobs.c.state.not_in(UNFINISHED))
    return bool((await connection.execute(ended)).rowcount)


def _export(row: Row[Any], file_hours: int) -> Export:
    parameters, result = row.parameters, row.result or {}
    state, kept_until = ExportState(row.state), None
    if state is ExportState.DONE:
        kept_until = outside(row.finished_at + timedelta(hours=file_hours))
        state = ExportState.DONE if kept_until > datetime.now(UTC) else ExportState.EXPIRED
    return Export(
        id=row.id,
        state=state,
        phase=row.phase,
        format=ExportFormat(parameters["query"]["format"]),
        file_name=parameters["file_name"],
        rows_done=row.rows_done,
        rows_total=row.rows_total,
        rate=row.rate,
        bytes=result.get("bytes"),
        sha256=result.get("sha256"),
        problem=row.problem,
        created_by=row.created_by_name,
        created_at=outside(row.created_at),
        started_at=outside_or_none(row.started_at),
        finished_at=outside_or_none(row.finished_at),
        expires_at=kept_until,
    )
