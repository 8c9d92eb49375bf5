"""Reading records: one page in any order, each by short reads along an index where there is one."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, case, func, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import outside
from telltale_query.paging import RowId, beyond
from telltale_query.records.schemas import Record, RecordAnomaly, RecordKey, RecordSort, id_of
from telltale_query.selection import Selection, series_by_id
from telltale_shared.store.schema import record_edits, records, series
from telltale_shared.store.series import Series

SERIES_READ_SINGLY = 20
"""Up to so many series are read each along its own key; more are filtered out of the list by time."""
SERIES_AT_ONCE = 20
"""Series in one statement at most when the list is sorted by series."""

Rows = Sequence[Row[*tuple[Any, ...]]]

_COLUMNS = (records.c.series_id, records.c.observed_at, records.c.value, records.c.import_id, records.c.note)

# One text for any number of records, so that it is prepared once.
_ANOMALIES_OF = text("""
SELECT STRAIGHT_JOIN anomalies.*
FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (
    series_id INT UNSIGNED PATH '$[0]', observed_at DATETIME(6) PATH '$[1]'
)) AS wanted
JOIN anomalies ON anomalies.series_id = wanted.series_id AND anomalies.observed_at = wanted.observed_at
ORDER BY anomalies.score
""")


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where in a list a page ended: what the cursor holds."""

    sort: RecordSort
    series_id: RowId
    observed_at: Annotated[datetime, msgspec.Meta(tz=False)]
    value: float


@dataclass(frozen=True)
class Revision:
    """Who changed a record last; nobody yet at revision 0."""

    number: int = 0
    edited_by: str | None = None
    edited_at: datetime | None = None


async def read_page(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, *, after: Position | None, limit: int
) -> list[Record]:
    """At most ``limit`` records of ``selection`` that follow ``after`` in the order ``sort``."""
    if not selection.series:
        return []
    if sort.column == "value" or selection.anomalous:
        rows = await _sorted(connection, selection, sort, after, limit)
    elif sort.column == "observed_at":
        rows = await _by_time(connection, selection, sort, after, limit)
    else:
        rows = await _by_series(connection, selection, sort, after, limit)
    return await _complete(connection, rows, selection.series)


async def _sorted(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Rows:
    """No index has this order: the database sorts all that match, which the caller has bounded."""
    joined = selection.source().join(series, series.c.id == records.c.series_id)
    named: dict[str, tuple[ColumnElement[Any], ...]] = {
        "observed_at": (records.c.observed_at, records.c.series_id),
        "value": (records.c.value, records.c.observed_at, records.c.series_id),
        "source": (series.c.source, series.c.category, records.c.observed_at),
        "category": (series.c.category, series.c.source, records.c.observed_at),
    }
    order = named[sort.column]
    statement = (
        select(*_COLUMNS)
        .prefix_with("STRAIGHT_JOIN")
        .select_from(joined)
        .where(*selection.conditions())
        .order_by(*(_directed(column, sort) for column in order))
        .limit(limit)
    )
    if after is not None:
        one = next((one for one in selection.series if one.id == after.series_id), None)
        names = ("", "") if one is None else (one.source, one.category)
        values: dict[str, tuple[object, ...]] = {
            "observed_at": (after.observed_at, after.series_id),
            "value": (after.value, after.observed_at, after.series_id),
            "source": (*names, after.observed_at),
            "category": (*reversed(names), after.observed_at),
        }
        statement = statement.where(beyond(order, values[sort.column], descending=sort.descending))
    return (await connection.execute(statement)).all()


async def _by_time(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Rows:
    if selection.everything or len(selection.series) > SERIES_READ_SINGLY:
        return await _along_time(connection, selection, sort, after, limit)
    merged = union_all(*(_along_key(selection, one.id, sort, after, limit) for one in selection.series)).subquery()
    directed = (_directed(column, sort) for column in (merged.c.observed_at, merged.c.series_id))
    return (await connection.execute(select(merged).order_by(*directed).limit(limit))).all()


async def _along_time(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Rows:
    """Along the index on time. In a partitioned table it gives no order among records of one instant.

    So the records of the last instant, which the limit may have cut anywhere, are read once more and all of them.
    """
    at, series_id = records.c.observed_at, records.c.series_id
    statement = select(*_COLUMNS).with_hint(records, "FORCE INDEX (observed_at)").where(*selection.along_time())
    if after is not None:
        values = (after.observed_at, after.series_id)
        statement = statement.where(beyond((at, series_id), values, descending=sort.descending))
    rows = (await connection.execute(statement.order_by(_directed(at, sort)).limit(limit))).all()
    by_key = {(row.observed_at, row.series_id): row for row in rows}
    if len(rows) == limit:
        last = statement.where(at == rows[-1].observed_at).order_by(_directed(series_id, sort)).limit(limit)
        by_key |= {(row.observed_at, row.series_id): row for row in await connection.execute(last)}
    return [by_key[key] for key in sorted(by_key, reverse=sort.descending)][:limit]


def _directed(column: ColumnElement[Any], sort: RecordSort) -> ColumnElement[Any]:
    return column.desc() if sort.descending else column.asc()


def _along_key(
    selection: Selection, series_id: int, sort: RecordSort, after: Position | None, limit: int
) -> Select[Any]:
    """The next ``limit`` records of one series, in the order of the clustered key or against it."""
    column = records.c.observed_at
    conditions = [records.c.series_id == series_id, *selection.range.holds(column), *selection.of_values()]
    if after is not None:
        # Among records of one instant the list goes on by series, so this series may still have one at that instant.
        inclusive = series_id < after.series_id if sort.descending else series_id > after.series_id
        if sort.descending:
            conditions.append(column <= after.observed_at if inclusive else column < after.observed_at)
        else:
            conditions.append(column >= after.observed_at if inclusive else column > after.observed_at)
    return select(select(*_COLUMNS).where(*conditions).order_by(_directed(column, sort)).limit(limit).subquery())


async def _by_series(
    connection: AsyncConnection, selection: Selection, sort: RecordSort, after: Position | None, limit: int
) -> Rows:
    """Series after series until the page is full: one is often enough, so more only come into the next statements."""

    def names(one: Series) -> tuple[str, str]:
        return (one.source, one.category) if sort.column == "source" else (one.category, one.source)

    ordered = sorted(selection.series, key=names, reverse=sort.descending)
    rank = {one.id: n for n, one in enumerate(ordered)}
    begin = 0 if after is None else rank.get(after.series_id, 0)
    found: list[Row[*tuple[Any, ...]]] = []
    at_once = 1
    while begin < len(ordered) and len(found) < limit:
        chunk = ordered[begin : begin + at_once]
        parts = []
        for one in chunk:
            resumed = after if after is not None and one.id == after.series_id else None
            parts.append(_along_key(selection, one.id, sort, resumed, limit - len(found)))
        merged = union_all(*parts).subquery()
        place = case({one.id: rank[one.id] for one in chunk}, value=merged.c.series_id)
        whole = select(merged).order_by(place, _directed(merged.c.observed_at, sort)).limit(limit - len(found))
        found.extend(await connection.execute(whole))
        begin += at_once
        at_once = min(2 * at_once, SERIES_AT_ONCE)
    return found


async def _complete(connection: AsyncConnection, rows: Rows, chosen: Iterable[Series]) -> list[Record]:
    """Records with the names of their series and what detectors say of them."""
    by_id = {one.id: one for one in chosen}
    # A list of everything may hold the first record of a series that was not there yet when the series were read.
    newborn = {row.series_id for row in rows} - by_id.keys()
    if newborn:
        by_id |= {one.id: one for one in await series_by_id(connection, newborn)}
    judged = await _anomalies_of(connection, [(row.series_id, row.observed_at) for row in rows])
    return [
        Record(
            id=id_of(row.series_id, row.observed_at),
            source=by_id[row.series_id].source,
            category=by_id[row.series_id].category,
            observed_at=outside(row.observed_at),
            value=row.value,
            unit=by_id[row.series_id].unit,
            note=row.note,
            import_id=row.import_id,
            anomaly=judged.get((row.series_id, row.observed_at)),
        )
        for row in rows
    ]


async def _anomalies_of(connection: AsyncConnection, keys: Sequence[RecordKey]) -> dict[RecordKey, RecordAnomaly]:
    """Per record the anomaly with the highest score."""
    if not keys:
        return {}
    wanted = json.dumps([(series_id, observed_at.isoformat(" ")) for series_id, observed_at in keys])
    return {
        (row.series_id, row.observed_at): RecordAnomaly(
            id=str(row.id),
            detector=row.detector,
            version=row.version,
            kind=row.kind,
            score=row.score,
            expected_low=row.expected_low,
            expected_high=row.expected_high,
            explanation=row.explanation,
            verdict=row.verdict,
        )
        for row in await connection.execute(_ANOMALIES_OF, {"wanted": wanted})
    }


async def read_record(connection: AsyncConnection, key: RecordKey) -> tuple[Record, Revision] | None:
    """One record and its revision, or None where there is none."""
    series_id, observed_at = key
    found = (
        await connection.execute(
            select(*_COLUMNS, series, record_edits.c.revision, record_edits.c.edited_by, record_edits.c.edited_at)
            .join_from(records, series, series.c.id == records.c.series_id)
            .join(
                record_edits,
                and_(
                    record_edits.c.series_id == records.c.series_id,
                    record_edits.c.observed_at == records.c.observed_at,
                ),
                isouter=True,
            )
            .where(records.c.series_id == series_id, records.c.observed_at == observed_at)
        )
    ).first()
    if found is None:
        return None
    one = Series(series_id, found.source, found.category, found.unit, found.origin)
    (record,) = await _complete(connection, [found], [one])
    return record, Revision(found.revision or 0, found.edited_by, found.edited_at)


async def count_up_to(connection: AsyncConnection, selection: Selection, limit: int) -> int:
    """How many records match, counted one by one up to ``limit``."""
    some = select(records.c.series_id).select_from(selection.source()).where(*selection.conditions()).limit(limit)
    counted: int = (await connection.execute(select(func.count()).select_from(some.subquery()))).scalar_one()
    return counted
