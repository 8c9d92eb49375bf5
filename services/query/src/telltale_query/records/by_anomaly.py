"""Pages of anomalous records: found through their anomalies, which are few."""

import json
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.paging import beyond
from telltale_query.records.by_time import SERIES_READ_SINGLY
from telltale_query.records.parts import Budget, Part, Position, Rows, directed
from telltale_query.records.schemas import RecordSort
from telltale_query.selection import NOT_DISMISSED, Selection
from telltale_shared.store.schema import anomalies

KEYS_AT_ONCE = 2_000

Key = tuple[datetime, int]
"""(instant, series): in the order of time."""


# Texts for any number of records, so that they are prepared once.
_WANTED = """
FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (
    observed_at DATETIME(6) PATH '$[0]', series_id INT UNSIGNED PATH '$[1]'
)) AS wanted
"""
_RECORDS = text(f"""
SELECT STRAIGHT_JOIN records.series_id, records.observed_at, records.value, records.import_id, records.note {_WANTED}
JOIN records ON records.series_id = wanted.series_id AND records.observed_at = wanted.observed_at
""")
_UNUSUAL = text(f"""
SELECT STRAIGHT_JOIN anomalies.observed_at, anomalies.series_id {_WANTED}
JOIN anomalies ON anomalies.series_id = wanted.series_id AND anomalies.observed_at = wanted.observed_at
WHERE anomalies.verdict IS NULL OR anomalies.verdict != 'dismissed'
""")


async def read_anomalous_by_time(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The next ``limit`` anomalous records in the order of time; of those of one instant, by series."""
    found: list[Row[*tuple[Any, ...]]] = []
    place = None if after is None else (after.observed_at, after.series_id)
    wanted = limit
    while True:
        keys, complete = await _keys(connection, selection, sort, place, wanted)
        found.extend(await read_anomalous(connection, selection, keys, sort))
        if len(found) >= limit or complete:
            return Part(found[:limit])
        budget.spend(len(keys))
        place = keys[-1]
        if budget.spent:
            return Part(found, Position(sort, place[1], place[0], 0.0))
        wanted = min(4 * wanted, KEYS_AT_ONCE)


async def few_anomalous(
    connection: AsyncConnection, selection: Selection, sort: RecordSort
) -> dict[int, list[datetime]] | None:
    """By series all anomalous instants in the order of ``sort``, or None where these are many."""
    statement = select(anomalies.c.series_id, anomalies.c.observed_at)
    statement = statement.where(
        NOT_DISMISSED, *selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at)
    )
    rows = (await connection.execute(statement.limit(KEYS_AT_ONCE + 1))).all()
    if len(rows) > KEYS_AT_ONCE:
        return None
    found: dict[int, list[datetime]] = {}
    for series_id, at in sorted({(row.series_id, row.observed_at) for row in rows}, reverse=sort.descending):
        found.setdefault(series_id, []).append(at)
    return found


async def anomalous_instants(connection: AsyncConnection, selection: Selection) -> AsyncIterator[list[datetime]]:
    """The anomalous instants of ``selection``, which is of one series: some at a time, in the order of time."""
    place: Key | None = None
    complete = False
    while not complete:
        keys, complete = await _keys(connection, selection, RecordSort.OLDEST, place, KEYS_AT_ONCE // 4)
        if keys:
            place = keys[-1]
            yield [at for at, _ in keys]


async def _keys(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, place: Key | None, limit: int
) -> tuple[list[Key], bool]:
    """The next anomalous instants, about ``limit`` of them, and whether these are all."""
    if not selection.everything and len(selection.series) <= SERIES_READ_SINGLY:
        merged = union_all(*(_keys_of(selection, one.id, sort, place, limit) for one in selection.series)).subquery()
        order = (directed(column, sort) for column in (merged.c.observed_at, merged.c.series_id))
        found = (await connection.execute(select(merged).order_by(*order).limit(limit))).all()
        return [(row.observed_at, row.series_id) for row in found], len(found) < limit
    # The index on time gives no order among the anomalies of one instant, which the limit may cut anywhere: those of
    # the last instant are read once more and all of them. Several detectors may judge one record.
    statement = _select(selection, place, sort).with_hint(anomalies, "FORCE INDEX (observed_at)")
    statement = statement.where(*selection.of_series(anomalies))
    rows = (await connection.execute(statement.order_by(directed(anomalies.c.observed_at, sort)).limit(limit))).all()
    keys = {(row.observed_at, row.series_id) for row in rows}
    if len(rows) == limit:
        last = await connection.execute(statement.where(rows[-1].observed_at == anomalies.c.observed_at))
        keys |= {(row.observed_at, row.series_id) for row in last}
    return sorted(keys, reverse=sort.descending), len(rows) < limit


def _select(selection: Selection, place: Key | None, sort: RecordSort) -> Select[Any]:
    statement = select(anomalies.c.observed_at, anomalies.c.series_id).where(
        NOT_DISMISSED, *selection.range.holds(anomalies.c.observed_at)
    )
    if place is not None:
        statement = statement.where(
            beyond((anomalies.c.observed_at, anomalies.c.series_id), place, descending=sort.descending)
        )
    return statement


def _keys_of(selection: Selection, series_id: int, sort: RecordSort, place: Key | None, limit: int) -> Select[Any]:
    statement = _select(selection, place, sort).where(anomalies.c.series_id == series_id).distinct()
    return select(statement.order_by(directed(anomalies.c.observed_at, sort)).limit(limit).subquery())


async def read_anomalous(
    connection: AsyncConnection, selection: Selection, keys: Iterable[Key], sort: RecordSort
) -> list[Row[*tuple[Any, ...]]]:
    """The records of ``selection`` at ``keys``, in the order of time."""
    wanted = json.dumps([(at.isoformat(" "), series_id) for at, series_id in keys])
    rows = [row for row in await connection.execute(_RECORDS, {"wanted": wanted}) if selection.admits(row)]
    return sorted(rows, key=lambda row: (row.observed_at, row.series_id), reverse=sort.descending)


async def anomalous_among(connection: AsyncConnection, rows: Rows) -> set[Key]:
    """The keys of those of ``rows`` that are anomalous."""
    wanted = json.dumps([(row.observed_at.isoformat(" "), row.series_id) for row in rows])
    return {(at, series_id) for at, series_id in await connection.execute(_UNUSUAL, {"wanted": wanted})}
