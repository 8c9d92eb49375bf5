"""What is kept of a file between checking and applying: sorted chunks, series, errors."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, delete, func, select, text, update
from sqlalchemy.dialects.mysql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.imports.repository import numbered
from telltale_query.imports.schemas import Mistake
from telltale_shared.database import in_transaction
from telltale_shared.store.schema import import_chunks, import_errors, import_series

Hold = Callable[[AsyncConnection], Awaitable[None]]

FINAL = 0
"""The run that holds the merged rows; what is sorted on the way there has higher numbers."""
FORGOTTEN_AT_ONCE = 8
"""Chunks in one transaction."""
TABLES = ("import_chunks", "import_errors", "import_series")
"""What checking writes."""

_FORGET = {
    name: text(f"DELETE FROM {name} WHERE import_id = :import_id LIMIT :limit")  # noqa: S608 - our own names
    for name in (*TABLES, "import_replacements")
}


@dataclass(frozen=True, slots=True)
class StagedSeries:
    """One series of a file, and the time that its rows span."""

    position: int
    source: str
    category: str
    unit: str | None
    first_at: datetime
    last_at: datetime
    rows: int
    series_id: int | None = None
    """Once it is known."""


def _once(table: Table) -> Insert:
    """An insert that leaves what is there: an attempt whose answer was lost has written the same."""
    return insert(table).on_duplicate_key_update(import_id=table.c.import_id)


async def write_chunk(
    connection: AsyncConnection, import_id: int, run: int, chunk: int, rows: int, body: bytes
) -> None:
    """Keep one chunk of a run."""
    await connection.execute(
        _once(import_chunks).values(
            import_id=import_id, run=run, chunk=chunk, row_count=rows, applied=False, payload=body
        )
    )


async def read_chunk(connection: AsyncConnection, import_id: int, run: int, chunk: int) -> bytes | None:
    """One chunk of a run, or None past its end."""
    payload: bytes | None = (
        await connection.execute(
            select(import_chunks.c.payload).where(
                import_chunks.c.import_id == import_id, import_chunks.c.run == run, import_chunks.c.chunk == chunk
            )
        )
    ).scalar()
    return payload


async def next_chunk(connection: AsyncConnection, import_id: int, *, after: int) -> tuple[int, bytes] | None:
    """The first chunk after number ``after`` that has not been applied, with its number, or None."""
    row = (
        await connection.execute(
            select(import_chunks.c.chunk, import_chunks.c.payload)
            .where(
                import_chunks.c.import_id == import_id,
                import_chunks.c.run == FINAL,
                import_chunks.c.chunk > after,
                ~import_chunks.c.applied,
            )
            .order_by(import_chunks.c.chunk)
            .limit(1)
        )
    ).first()
    return None if row is None else (row.chunk, row.payload)


async def mark_applied(connection: AsyncConnection, import_id: int, chunk: int) -> bool:
    """Note in the transaction that stores them that the rows of a chunk are stored. Returns False if they are."""
    chunks = import_chunks.c
    waiting = (chunks.import_id == import_id) & (chunks.run == FINAL) & (chunks.chunk == chunk) & ~chunks.applied
    return bool((await connection.execute(update(import_chunks).where(waiting).values(applied=True))).rowcount)


async def count_staged(connection: AsyncConnection, import_id: int) -> tuple[int, int]:
    """Rows that are to be applied, and those of them that are."""
    row = (
        await connection.execute(
            select(
                func.coalesce(func.sum(import_chunks.c.row_count), 0),
                func.coalesce(func.sum(import_chunks.c.row_count * import_chunks.c.applied), 0),
            ).where(import_chunks.c.import_id == import_id, import_chunks.c.run == FINAL)
        )
    ).one()
    return int(row[0]), int(row[1])


async def write_series(connection: AsyncConnection, import_id: int, series: Sequence[StagedSeries]) -> None:
    """Keep what the file says of its series."""
    if series:
        rows = [
            {
                "import_id": import_id, "position": one.position, "source": one.source, "category": one.category,
                "unit": one.unit, "first_at": one.first_at, "last_at": one.last_at, "row_count": one.rows,
            }
            for one in series
        ]  # fmt: skip
        await connection.execute(_once(import_series), rows)


async def read_series(connection: AsyncConnection, import_id: int, first: int, last: int) -> list[StagedSeries]:
    """The series at the positions ``first`` to ``last``."""
    table = import_series
    rows = await connection.execute(
        select(table)
        .where(table.c.import_id == import_id, table.c.position.between(first, last))
        .order_by(table.c.position)
    )
    return [
        StagedSeries(
            row.position, row.source, row.category, row.unit, row.first_at, row.last_at, row.row_count, row.series_id
        )
        for row in rows
    ]


async def known_series(connection: AsyncConnection, import_id: int, *, after: int, limit: int) -> list[StagedSeries]:
    """At most ``limit`` series after the position ``after`` whose rows have been stored."""
    table = import_series
    rows = await connection.execute(
        select(table)
        .where(table.c.import_id == import_id, table.c.position > after, table.c.series_id.is_not(None))
        .order_by(table.c.position)
        .limit(limit)
    )
    return [
        StagedSeries(
            row.position, row.source, row.category, row.unit, row.first_at, row.last_at, row.row_count, row.series_id
        )
        for row in rows
    ]


async def identify_series(connection: AsyncConnection, import_id: int, ids: Sequence[tuple[int, int]]) -> None:
    """Note the ids of series, as (position, id)."""
    if ids:
        statement = "UPDATE import_series SET series_id = %s WHERE import_id = %s AND position = %s"
        await connection.exec_driver_sql(statement, [(series_id, import_id, position) for position, series_id in ids])


async def write_mistakes(connection: AsyncConnection, import_id: int, mistakes: Sequence[Mistake], first: int) -> None:
    """Keep errors, numbered from ``first`` on."""
    if mistakes:
        rows = [{"import_id": import_id, **row} for row in numbered(mistakes, first)]
        await connection.execute(_once(import_errors), rows)


async def forget_run(connection: AsyncConnection, import_id: int, run: int) -> None:
    """Delete one run of chunks."""
    await connection.execute(
        delete(import_chunks).where(import_chunks.c.import_id == import_id, import_chunks.c.run == run)
    )


async def forget_staging(engine: AsyncEngine, import_id: int, *tables: str, hold: Hold | None = None) -> None:
    """Delete what is kept of a file in ``tables``, in small steps.

    Args:
        engine: of the database.
        import_id: whose.
        tables: of ``TABLES``, or what it has replaced.
        hold: called in the transaction of each step: raises where somebody else works on the import by now.
    """
    for table in tables:
        limit = FORGOTTEN_AT_ONCE if table == "import_chunks" else 5_000
        values = {"import_id": import_id, "limit": limit}

        async def step(connection: AsyncConnection, table: str = table, values: dict[str, int] = values) -> int:
            if hold is not None:
                await hold(connection)
            return int((await connection.execute(_FORGET[table], values)).rowcount)

        while await in_transaction(engine, step) == limit:
            pass
