"""Pages of records that are not anomalous: read with those that are, which are few, and then left out.

Having the database look for an anomaly of each record that it reads along each series takes ten times as long.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.records.by_anomaly import anomalous_among
from telltale_query.records.parts import Budget, Part, Position
from telltale_query.records.schemas import RecordSort
from telltale_query.selection import Selection

SPARE = 10
"""Anomalous records that may be left out of a page without reading on."""
READ_AT_ONCE = 2_000

Read = Callable[[AsyncConnection, Selection, RecordSort, Position | None, int, Budget], Awaitable[Part]]
"""Reads a list in one of its orders."""


async def read_inconspicuous(
    read: Read,
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The next ``limit`` records in the order of ``read`` that no detector holds to be unusual."""
    everything = replace(selection, anomalous=None)
    found: list[Row[*tuple[Any, ...]]] = []
    place, wanted = after, limit + SPARE
    while True:
        part = await read(connection, everything, sort, place, wanted, budget)
        unusual = await anomalous_among(connection, part.rows) if part.rows else set()
        found.extend(row for row in part.rows if (row.observed_at, row.series_id) not in unusual)
        if len(found) >= limit:
            return Part(found[:limit])
        if len(part.rows) < wanted:
            return Part(found, part.stopped)
        budget.spend(wanted)
        last = part.rows[-1]
        place = Position(sort, last.series_id, last.observed_at, last.value)
        if budget.spent:
            return Part(found, place)
        wanted = min(4 * wanted, READ_AT_ONCE)
