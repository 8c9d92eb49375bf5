"""Reading dead letters."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, String, func, literal, literal_column, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.dead_letters.schemas import DeadLetter, DeadLetterFilter, DeadLetterQuery, Resolution
from telltale_query.instants import outside, outside_or_none
from telltale_query.paging import RowId, Total, Window
from telltale_query.selection import Range
from telltale_shared.store.schema import dead_letters

COUNTED_SINGLY = 10_000
PAYLOAD_SHOWN = 2_000
"""Bytes of a payload in a list."""

_table = dead_letters.c
_OPEN = _table.resolution.is_(None)
_TOLD = [column for column in dead_letters.columns if column.name not in ("payload", "fingerprint", "count")]
# Rows are tuples, which have a count of their own.
_NUMBERS = _table.count.label("numbers")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in the list a page begins or ends: what the cursor holds."""

    at: Annotated[datetime, msgspec.Meta(tz=False)]
    id: RowId


async def list_dead_letters(
    connection: AsyncConnection, query: DeadLetterQuery, window: Window[Place]
) -> tuple[list[DeadLetter], Total]:
    """The dead letters of ``window``, newest first, and how many there are."""
    conditions = _conditions(query)
    if query.resolution is Resolution.OPEN:
        conditions.append(_OPEN)
    elif query.resolution is not None:
        conditions.append(_table.resolution == query.resolution.value)
    beginning = func.left(_table.payload, PAYLOAD_SHOWN).label("payload")
    page = select(*_TOLD, _NUMBERS, beginning, func.length(_table.payload).label("payload_bytes")).where(*conditions)
    page = window.narrow(page, (_table.arrived_at, _table.id), lambda place: (place.at, place.id), descending=True)
    items = [_shown(row) for row in await connection.execute(page)]
    return items, await _count(connection, conditions)


async def read_dead_letter(connection: AsyncConnection, letter_id: int) -> DeadLetter | None:
    """One letter with all that is kept of its payload."""
    length = func.length(_table.payload).label("payload_bytes")
    statement = select(*_TOLD, _NUMBERS, _table.payload, length).where(_table.id == letter_id)
    row = (await connection.execute(statement)).first()
    return None if row is None else _shown(row)


async def count_open(connection: AsyncConnection, query: DeadLetterFilter) -> Total:
    """How many open letters ``query`` chooses."""
    return await _count(connection, [*_conditions(query), _OPEN])


async def newest_id(connection: AsyncConnection) -> int:
    """The id of the letter that was stored last; 0 without any."""
    return (await connection.execute(select(func.max(_table.id)))).scalar() or 0


async def open_ids(
    connection: AsyncConnection,
    query: DeadLetterFilter | None,
    ids: Sequence[int] | None,
    *,
    after: int,
    up_to: int,
    limit: int,
) -> list[int]:
    """The next open letters by id, of those that ``query`` or ``ids`` choose."""
    chosen = _conditions(query) if query is not None else [_table.id.in_(ids or [])]
    statement = select(_table.id).where(*chosen, _OPEN, _table.id > after, _table.id <= up_to)
    return list((await connection.execute(statement.order_by(_table.id).limit(limit))).scalars())


def _conditions(query: DeadLetterFilter) -> list[ColumnElement[bool]]:
    conditions = Range.of(query).holds(_table.arrived_at)
    if query.reason:
        conditions.append(_table.reason.in_(query.reason))
    if query.producer is not None:
        conditions.append(_table.producer == query.producer)
    if query.source is not None:
        conditions.append(_is_of_source(query.source))
    if query.q:
        payload = type_coerce(literal_column("CONVERT(dead_letters.payload USING utf8mb4)"), String)
        texts = (_table.detail, payload)
        conditions.append(or_(*(text.icontains(query.q, autoescape=True) for text in texts)))
    return conditions


def _is_of_source(source: str) -> ColumnElement[bool]:
    """By how a payload of ours names its source: a single reading's, or one of a delivery's series."""
    name = json.dumps(source, ensure_ascii=False)
    needles = (f'"source": {name}', f'"source":{name}', f"[{name},")
    return or_(*(func.locate(literal(needle.encode()), _table.payload) > 0 for needle in needles))


async def _count(connection: AsyncConnection, conditions: list[ColumnElement[bool]]) -> Total:
    some = select(_table.id).where(*conditions).limit(COUNTED_SINGLY + 1).subquery()
    counted = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    return Total(min(counted, COUNTED_SINGLY), exact=counted <= COUNTED_SINGLY)


def _shown(row: Any) -> DeadLetter:
    return DeadLetter(
        id=str(row.id),
        at=outside(row.arrived_at),
        reason=row.reason,
        detail=row.detail,
        producer=row.producer,
        number=row.number,
        count=row.numbers,
        payload=bytes(row.payload).decode("utf-8", "replace"),
        payload_bytes=row.payload_bytes,
        resolution=row.resolution,
        resolved_by=row.resolved_by,
        resolved_at=outside_or_none(row.resolved_at),
    )
