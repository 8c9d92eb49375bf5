"""Where the records to delete are, and which of them: read without locks first, then locked for one step."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from math import inf

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.records.by_anomaly import anomalous_instants
from telltale_query.records.parts import Budget
from telltale_query.records.spans import Span, within
from telltale_query.records.walk import Walk
from telltale_query.selection import NOT_DISMISSED, Selection
from telltale_query.unprepared import execute_unprepared
from telltale_shared.instants import MICROSECOND
from telltale_shared.store.schema import anomalies, records


async def stretches(connection: AsyncConnection, selection: Selection) -> AsyncGenerator[list[Span], None]:
    """Spans of one series that may hold records of ``selection``, a few thousand at a time, in the order of time."""
    for one in selection.series:
        alone = selection.of_one(one)
        if selection.anomalous:
            async for instants in anomalous_instants(connection, alone):
                yield [Span(one.id, at, at + MICROSECOND, 1) for at in instants]
                await connection.rollback()
            continue
        walk = Walk(connection, alone, descending=False, budget=Budget(inf))
        async with aclosing(walk.stretches()) as lists:
            async for spans in lists:
                yield spans
                # Nothing is kept: a transaction left open would hold up the dropping of partitions.
                await connection.rollback()


async def lock_matching(
    connection: AsyncConnection, selection: Selection, spans: Sequence[Span]
) -> list[tuple[int, datetime]]:
    """The records of ``selection`` in ``spans`` by (series, instant), in key order, locked for this transaction."""
    statement = (
        select(records.c.series_id, records.c.observed_at)
        .with_hint(records, "FORCE INDEX (PRIMARY)")
        .where(within(spans, records, "observed_at"), *selection.of_values())
        .order_by(records.c.series_id, records.c.observed_at)
        .with_for_update()
    )
    if selection.anomalous:
        judged = (anomalies.c.series_id == records.c.series_id) & (anomalies.c.observed_at == records.c.observed_at)
        statement = statement.where(exists(select(anomalies.c.id).where(judged, NOT_DISMISSED)))
    return [(row.series_id, row.observed_at) for row in await execute_unprepared(connection, statement)]
