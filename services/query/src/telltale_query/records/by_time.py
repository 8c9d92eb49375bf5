"""Pages in the order of time."""

from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.paging import beyond
from telltale_query.records.parts import (
    COLUMNS,
    Budget,
    Part,
    Position,
    Rows,
    beyond_instant,
    directed,
    remaining,
)
from telltale_query.records.schemas import RecordSort
from telltale_query.records.spans import read_spans
from telltale_query.records.walk import BudgetSpent, Walk
from telltale_query.selection import ROLLUPS, Conditions, Range, Selection, within
from telltale_shared.store.rollups import DAY
from telltale_shared.store.schema import records

SERIES_READ_SINGLY = 50
"""Up to so many series are read each along its own key."""
SPARE = 2
"""Times the records of a page, since some of a day may not be in the list."""
DAYS_READ_AT_ONCE = 7
"""In a longer range it pays to ask first on which days the next records are: each day is a partition to look into."""


async def read_by_time(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The next ``limit`` records in the order of time; of those of one instant, by series."""
    if not selection.sifts and selection.everything:
        return Part(await _along_time(connection, selection, sort, after, limit))
    if not selection.sifts and len(selection.series) <= SERIES_READ_SINGLY:
        near = await _nearest_days(connection, selection, sort, after, limit)
        rows = await _along_keys(connection, near, sort, after, limit)
        if len(rows) < limit and near != selection:
            # Some were deleted meanwhile.
            rows = await _along_keys(connection, selection, sort, after, limit)
        return Part(rows)
    return await walked(connection, selection, sort, after, limit, budget)


async def _along_keys(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Rows:
    """Each series along its own key, merged."""
    merged = union_all(*(along_key(selection, one.id, sort, after, limit) for one in selection.series)).subquery()
    order = (directed(column, sort) for column in (merged.c.observed_at, merged.c.series_id))
    return (await connection.execute(select(merged).order_by(*order).limit(limit))).all()


async def _nearest_days(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Selection:
    """``selection`` on the days that hold the next ``limit`` records, as far as rollups know."""
    ahead = replace(selection, range=remaining(selection, sort, after))
    if ahead.range.end - ahead.range.start <= timedelta(days=DAYS_READ_AT_ONCE):
        return selection
    rollup = ROLLUPS[DAY]
    statement = select(rollup.c.bucket, func.sum(rollup.c.count).label("n"))
    statement = statement.where(*ahead.of_series(rollup), *ahead.overlaps(DAY)).group_by(rollup.c.bucket)
    days = sorted(await connection.execute(statement), key=lambda row: row.bucket, reverse=sort.descending)
    held = 0
    # A part of the first day may lie behind the page before.
    for row in days[1:]:
        held += row.n
        if held >= SPARE * limit:
            if sort.descending:
                return within(selection, Range(start=row.bucket))
            return within(selection, Range(end=row.bucket + timedelta(days=1)))
    return selection


async def _along_time(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Rows:
    """Along the index on time. In a partitioned table it gives no order among records of one instant.

    So the records of the last instant, which the limit may have cut anywhere, are read once more and all of them.
    """
    statement = select(*COLUMNS).with_hint(records, "FORCE INDEX (observed_at)").where(*selection.along_time())
    statement = statement.where(*_beyond(sort, after))
    rows = (await connection.execute(statement.order_by(directed(records.c.observed_at, sort)).limit(limit))).all()
    by_key = {(row.observed_at, row.series_id): row for row in rows}
    if len(rows) == limit:
        last = (
            statement.where(rows[-1].observed_at == records.c.observed_at)
            .order_by(directed(records.c.series_id, sort))
            .limit(limit)
        )
        by_key |= {(row.observed_at, row.series_id): row for row in await connection.execute(last)}
    return [by_key[key] for key in sorted(by_key, reverse=sort.descending)][:limit]


def _beyond(sort: RecordSort, after: Position | None) -> Conditions:
    if after is None:
        return []
    return [
        beyond(
            (records.c.observed_at, records.c.series_id),
            (after.observed_at, after.series_id),
            descending=sort.descending,
        )
    ]


def along_key(
    selection: Selection, series_id: int, sort: RecordSort, after: Position | None, limit: int
) -> Select[Any]:
    """The next ``limit`` records of one series, in the order of the clustered key or against it."""
    at = records.c.observed_at
    conditions = [records.c.series_id == series_id, *selection.range.holds(at), *selection.of_values()]
    if after is not None:
        # Among records of one instant the list goes on by series, so this series may still have one at that instant.
        inclusive = series_id < after.series_id if sort.descending else series_id > after.series_id
        if sort.descending:
            conditions.append(at <= after.observed_at if inclusive else at < after.observed_at)
        else:
            conditions.append(at >= after.observed_at if inclusive else at > after.observed_at)
    return select(select(*COLUMNS).where(*conditions).order_by(directed(at, sort)).limit(limit).subquery())


async def walked(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The next ``limit`` records in the order of time, read only where rollups say that there may be some."""
    ahead = replace(selection, range=remaining(selection, sort, after))
    walk = Walk(connection, ahead, descending=sort.descending, budget=budget)
    order = [directed(column, sort) for column in (records.c.observed_at, records.c.series_id)]
    found: list[Row[*tuple[Any, ...]]] = []
    try:
        async with aclosing(walk.stretches()) as stretches:
            async for spans in stretches:
                missing = limit - len(found)
                rows = await read_spans(
                    connection, ahead, spans, beyond=_beyond(sort, after), order=order, limit=missing
                )
                found.extend(rows)
                if len(found) == limit:
                    break
    except BudgetSpent as stop:
        return Part(found, beyond_instant(sort, stop.reached))
    return Part(found)
