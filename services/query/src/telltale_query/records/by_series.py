"""Pages of one series after the other; of one series, in the order of time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, case, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.records.by_anomaly import few_anomalous, read_anomalous, read_anomalous_by_time
from telltale_query.records.by_time import along_key, walked
from telltale_query.records.parts import Budget, Part, Position, Rows, directed
from telltale_query.records.schemas import RecordSort
from telltale_query.selection import ROLLUPS, Selection
from telltale_shared.store.rollups import DAY
from telltale_shared.store.schema import anomalies
from telltale_shared.store.series import Series

SERIES_AT_ONCE = 20
"""Series in one statement at most."""


async def read_by_series(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The next ``limit`` records by source and category, or by category and source; of one series, by time."""

    def names(one: Series) -> tuple[str, str]:
        return (one.source, one.category) if sort.column == "source" else (one.category, one.source)

    ordered = sorted(selection.series, key=names, reverse=sort.descending)
    rank = {one.id: n for n, one in enumerate(ordered)}
    ahead = ordered if after is None else ordered[rank.get(after.series_id, 0) :]
    if selection.anomalous:
        few = await few_anomalous(connection, selection, sort)
        if few is not None:
            return Part(await _of_few(connection, selection, ahead, few, sort, after, limit))
    holding = await _series_that_may_match(connection, selection)
    ahead = [one for one in ahead if one.id in holding]
    if not selection.sifts and not selection.anomalous:
        return Part(await _series_after_series(connection, selection, ahead, sort, after, limit))
    found: list[Row[*tuple[Any, ...]]] = []
    for one in ahead:
        resumed = after if after is not None and one.id == after.series_id else None
        missing = limit - len(found)
        if selection.anomalous:
            part = await read_anomalous_by_time(connection, selection.of_one(one), sort, resumed, missing, budget)
        else:
            part = await walked(connection, selection.of_one(one), sort, resumed, missing, budget)
        found.extend(part.rows)
        if part.stopped is not None:
            return Part(found, msgspec.structs.replace(part.stopped, series_id=one.id))
        if len(found) == limit:
            break
    return Part(found)


async def _of_few(
    connection: AsyncConnection,
    selection: Selection,
    ahead: Sequence[Series],
    few: Mapping[int, Sequence[datetime]],
    sort: RecordSort,
    after: Position | None,
    limit: int,
) -> Rows:
    """The next anomalous records, where all anomalous instants are known."""
    keys = [(at, one.id) for one in ahead for at in few.get(one.id, ())]
    if after is not None:
        behind = [key for key in keys if key[1] == after.series_id and not _follows(key[0], after.observed_at, sort)]
        keys = keys[len(behind) :]
    place = {one.id: n for n, one in enumerate(ahead)}
    found: list[Row[*tuple[Any, ...]]] = []
    while keys and len(found) < limit:
        chunk, keys = keys[:limit], keys[limit:]
        rows = await read_anomalous(connection, selection, chunk, sort)
        found.extend(sorted(rows, key=lambda row: place[row.series_id]))
    return found[:limit]


def _follows(at: datetime, other: datetime, sort: RecordSort) -> bool:
    return at < other if sort.descending else at > other


async def _series_that_may_match(connection: AsyncConnection, selection: Selection) -> set[int]:
    if selection.anomalous:
        unusual = select(anomalies.c.series_id).distinct()
        return set((await connection.execute(unusual)).scalars())
    rollup = ROLLUPS[DAY]
    statement = (
        select(rollup.c.series_id)
        .where(*selection.of_series(rollup), *selection.overlaps(DAY), *selection.may_hold(rollup))
        .distinct()
    )
    return set((await connection.execute(statement)).scalars())


async def _series_after_series(
    connection: AsyncConnection,
    selection: Selection,
    ahead: Sequence[Series],
    sort: RecordSort,
    after: Position | None,
    limit: int,
) -> Rows:
    """Series after series until the page is full: one is often enough, so more only come into the next statements."""
    found: list[Row[*tuple[Any, ...]]] = []
    begin, at_once = 0, 1
    while begin < len(ahead) and len(found) < limit:
        chunk = ahead[begin : begin + at_once]
        found.extend(await connection.execute(_one_by_one(selection, chunk, sort, after, limit - len(found))))
        begin += at_once
        at_once = min(2 * at_once, SERIES_AT_ONCE)
    return found


def _one_by_one(
    selection: Selection, chunk: Iterable[Series], sort: RecordSort, after: Position | None, limit: int
) -> Select[Any]:
    places: dict[int, int] = {}
    parts = []
    for one in chunk:
        resumed = after if after is not None and one.id == after.series_id else None
        parts.append(along_key(selection, one.id, sort, resumed, limit))
        places[one.id] = len(places)
    merged = union_all(*parts).subquery()
    place = case(places, value=merged.c.series_id)
    return select(merged).order_by(place, directed(merged.c.observed_at, sort)).limit(limit)
