"""Imports in the database: made, read, listed, moved from state to state."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.imports.schemas import (
    Import,
    ImportOptions,
    ImportQuery,
    ImportRecord,
    ImportRows,
    ImportState,
    Mistake,
)
from telltale_query.instants import outside, outside_or_none
from telltale_query.jobs.repository import Place, read_jobs
from telltale_query.jobs.schemas import Job
from telltale_query.paging import Total, Window
from telltale_shared.store.audit import Actor
from telltale_shared.store.schema import import_errors, imports

ROW_COUNTS = ("read", "good", "bad", "stored", "repeated", "kept", "replaced", "undone", "restored", "left")

_CREATE = text("""
INSERT INTO imports (state, job_id, file_name, options, created_by, created_by_name, created_at)
VALUES ('checking', :job_id, :file_name, :options, :created_by, :created_by_name, UTC_TIMESTAMP(6))
""")


async def create_import(
    connection: AsyncConnection, actor: Actor, job_id: int, file_name: str, options: ImportOptions
) -> int:
    """A new import whose file is about to arrive. Returns its id."""
    values = {
        "job_id": job_id,
        "file_name": file_name[:255],
        "options": options.model_dump_json(),
        "created_by": actor.id[:64],
        "created_by_name": actor.name[:100],
    }
    return int((await connection.execute(_CREATE, values)).lastrowid)


async def change_import(
    connection: AsyncConnection, import_id: int, *, state_was: Sequence[ImportState] = (), **values: Any
) -> bool:
    """Set columns of an import.

    Args:
        connection: in the caller's transaction.
        import_id: which import.
        state_was: change it only if it is in one of these states; any if empty.
        values: columns and what they become.

    Returns:
        Whether it was changed.
    """
    statement = update(imports).where(imports.c.id == import_id)
    if state_was:
        statement = statement.where(imports.c.state.in_([state.value for state in state_was]))
    return bool((await connection.execute(statement.values(**values))).rowcount)


async def count_rows(connection: AsyncConnection, import_id: int, **more: int) -> None:
    """Add to the row counts of an import: ``stored=3`` adds 3 to ``rows_stored``."""
    added: dict[str, ColumnElement[int]] = {
        f"rows_{name}": imports.c[f"rows_{name}"] + count for name, count in more.items() if count
    }
    if added:
        await connection.execute(update(imports).where(imports.c.id == import_id).values(**added))


async def read_import(connection: AsyncConnection, import_id: int, *, lock: bool = False) -> ImportRecord | None:
    """One import as its worker sees it, or None; with ``lock`` nobody else changes it before the transaction ends."""
    query = select(imports).where(imports.c.id == import_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        return None
    return ImportRecord(
        id=row.id,
        state=ImportState(row.state),
        job_id=row.job_id,
        undo_job_id=row.undo_job_id,
        file_name=row.file_name,
        file_bytes=row.file_bytes,
        complete=row.sha256 is not None,
        options=ImportOptions.model_validate(_decoded(row.options)),
        problem=row.problem,
        rows=_rows(row),
        owner=Actor(row.created_by, row.created_by_name),
        apply_began_at=row.apply_began_at,
    )


async def show_import(connection: AsyncConnection, import_id: int, *, undoable_by: str | None) -> Import | None:
    """One import as it goes out, or None.

    Args:
        connection: to read with.
        import_id: which import.
        undoable_by: whose imports the reader may undo: an account's id, or None for everybody's.
    """
    row = (await connection.execute(select(imports).where(imports.c.id == import_id))).first()
    if row is None:
        return None
    return _import(row, await read_jobs(connection, [_job_of(row)]), undoable_by)


async def list_imports(
    connection: AsyncConnection, query: ImportQuery, window: Window[Place], *, undoable_by: str | None
) -> tuple[list[Import], Total]:
    """The imports of ``window``, newest first, and how many there are."""
    conditions = [imports.c.state.in_([state.value for state in query.state])] if query.state else []
    total = (await connection.execute(select(func.count()).select_from(imports).where(*conditions))).scalar_one()
    page = window.narrow(
        select(imports).where(*conditions), (imports.c.id,), lambda place: (place.id,), descending=True
    )
    rows = (await connection.execute(page)).all()
    jobs = await read_jobs(connection, [_job_of(row) for row in rows])
    return [_import(row, jobs, undoable_by) for row in rows], Total(total)


async def list_mistakes(
    connection: AsyncConnection, import_id: int, window: Window[Place]
) -> tuple[list[tuple[int, Mistake]], Total]:
    """The errors of ``window`` with their numbers, in the order in which they were found, and how many there are.

    The total is that of the file; only so many were kept.
    """
    of_import = import_errors.c.import_id == import_id
    page = window.narrow(
        select(import_errors).where(of_import), (import_errors.c.number,), lambda place: (place.id,), descending=False
    )
    rows = (await connection.execute(page)).all()
    kept = (await connection.execute(select(func.count()).where(of_import))).scalar_one()
    return [(row.number, Mistake(row.line, row.column_name, row.value, row.reason)) for row in rows], Total(kept)


async def read_mistakes(
    connection: AsyncConnection, import_id: int, *, after: int, limit: int
) -> list[tuple[int, Mistake]]:
    """At most ``limit`` errors that follow number ``after``, with their numbers."""
    rows = await connection.execute(
        select(import_errors)
        .where(import_errors.c.import_id == import_id, import_errors.c.number > after)
        .order_by(import_errors.c.number)
        .limit(limit)
    )
    return [(row.number, Mistake(row.line, row.column_name, row.value, row.reason)) for row in rows]


async def count_unfinished(connection: AsyncConnection, actor: Actor) -> int:
    """How many imports of ``actor`` are being sent, checked or applied."""
    states = [ImportState.CHECKING.value, ImportState.APPLYING.value]
    query = select(func.count()).where(imports.c.created_by == actor.id[:64], imports.c.state.in_(states))
    return int((await connection.execute(query)).scalar_one())


async def forget_import(connection: AsyncConnection, import_id: int) -> None:
    """Delete an import whose file never arrived."""
    await connection.execute(imports.delete().where(imports.c.id == import_id))


def _job_of(row: Row[Any]) -> int:
    return int(row.undo_job_id or row.job_id)


def _import(row: Row[Any], jobs: dict[int, Job], undoable_by: str | None) -> Import:
    state = ImportState(row.state)
    mine = undoable_by is None or undoable_by == row.created_by
    return Import(
        id=row.id,
        state=state,
        file_name=row.file_name,
        file_bytes=row.file_bytes,
        sha256=None if row.sha256 is None else row.sha256.hex(),
        options=_decoded(row.options),
        rows=_rows(row),
        job=jobs.get(_job_of(row)),
        created_by=row.created_by_name,
        created_at=outside(row.created_at),
        finished_at=outside_or_none(row.finished_at),
        undone_at=outside_or_none(row.undone_at),
        undone_by=row.undone_by_name,
        can_undo=mine and is_undoable(state, _rows(row)),
    )


def is_undoable(state: ImportState, rows: ImportRows) -> bool:
    """Whether there is something to take back."""
    outstanding = rows.stored + rows.replaced > rows.undone + rows.restored + rows.left
    return state is ImportState.APPLIED or (state is ImportState.FAILED and outstanding)


def _rows(row: Row[Any]) -> ImportRows:
    return ImportRows(**{name: getattr(row, f"rows_{name}") for name in ROW_COUNTS})


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else value


def numbered(mistakes: Iterable[Mistake], first: int) -> list[dict[str, Any]]:
    """``mistakes`` as rows of their table, numbered from ``first`` on."""
    return [
        {"number": number, "line": one.line, "column_name": one.column, "value": one.value, "reason": one.reason[:500]}
        for number, one in enumerate(mistakes, start=first)
    ]
