"""Reading dead letters."""

from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.dead_letters.schemas import DeadLetter, DeadLetterQuery
from telltale_query.instants import outside, outside_or_none
from telltale_query.paging import RowId, Total, Window
from telltale_query.selection import Range
from telltale_shared.store.schema import dead_letters

COUNTED_SINGLY = 10_000
PAYLOAD_SHOWN = 2_000
"""Bytes of a payload in a list."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in the list a page begins or ends: what the cursor holds."""

    at: Annotated[datetime, msgspec.Meta(tz=False)]
    id: RowId


async def list_dead_letters(
    connection: AsyncConnection, query: DeadLetterQuery, window: Window[Place]
) -> tuple[list[DeadLetter], Total]:
    """The dead letters of ``window``, newest first, and how many there are."""
    table = dead_letters.c
    conditions = Range.of(query).holds(table.arrived_at)
    if query.reason:
        conditions.append(table.reason.in_(query.reason))
    if query.producer is not None:
        conditions.append(table.producer == query.producer)
    order = (table.arrived_at, table.id)
    columns = [column for column in dead_letters.columns if column.name not in ("payload", "fingerprint", "count")]
    page = select(
        *columns,
        # Rows are tuples, which have a count of their own.
        table.count.label("numbers"),
        func.left(table.payload, PAYLOAD_SHOWN).label("beginning"),
        func.length(table.payload).label("payload_bytes"),
    ).where(*conditions)
    page = window.narrow(page, order, lambda place: (place.at, place.id), descending=True)
    some = select(table.id).where(*conditions).limit(COUNTED_SINGLY + 1).subquery()
    counted = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    items = [
        DeadLetter(
            id=str(row.id),
            at=outside(row.arrived_at),
            reason=row.reason,
            detail=row.detail,
            producer=row.producer,
            number=row.number,
            count=row.numbers,
            payload=bytes(row.beginning).decode("utf-8", "replace"),
            payload_bytes=row.payload_bytes,
            resolution=row.resolution,
            resolved_by=row.resolved_by,
            resolved_at=outside_or_none(row.resolved_at),
        )
        for row in await connection.execute(page)
    ]
    return items, Total(min(counted, COUNTED_SINGLY), exact=counted <= COUNTED_SINGLY)
