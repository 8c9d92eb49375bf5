"""Reading records: one page in any order, each by short reads along an index where there is one."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import outside
from telltale_query.records.by_anomaly import read_anomalous_by_time
from telltale_query.records.by_series import read_by_series
from telltale_query.records.by_time import read_by_time
from telltale_query.records.by_value import read_by_value
from telltale_query.records.inconspicuous import read_inconspicuous
from telltale_query.records.parts import COLUMNS, Budget, Part, Position, Rows
from telltale_query.records.schemas import Record, RecordAnomaly, RecordKey, RecordSort, id_of
from telltale_query.selection import Selection, series_by_id
from telltale_shared.store.schema import record_edits, records, series
from telltale_shared.store.series import Series

# One text for any number of records, so that it is prepared once.
_ANOMALIES_OF = text("""
SELECT STRAIGHT_JOIN anomalies.*
FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (
    series_id INT UNSIGNED PATH '$[0]', observed_at DATETIME(6) PATH '$[1]'
)) AS wanted
JOIN anomalies ON anomalies.series_id = wanted.series_id AND anomalies.observed_at = wanted.observed_at
ORDER BY anomalies.verdict <=> 'dismissed' DESC, anomalies.score, anomalies.id
""")


@dataclass(frozen=True)
class Revision:
    """Who changed a record last; nobody yet at revision 0."""

    number: int = 0
    edited_by: str | None = None
    edited_at: datetime | None = None


async def read_within(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    *,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> tuple[list[Record], Position | None]:
    """At most ``limit`` records of ``selection`` that follow ``after`` in the order ``sort``, within ``budget``.

    And where the search was broken off, if it was.

    Raises:
        TooManyToSort: a list by value cannot be broken off, and would take more.
    """
    part = await read_rows(connection, selection, sort, after=after, limit=limit, budget=budget)
    return await _complete(connection, part.rows, selection.series), part.stopped


async def read_rows(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    *,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The same without the names of series and what detectors say.

    Raises:
        TooManyToSort: a list by value cannot be broken off, and would take more.
    """
    if not selection.series:
        return Part([])
    if sort.column == "value":
        return await read_by_value(connection, selection, sort, after, limit, budget)
    if selection.anomalous and sort.column == "observed_at":
        return await read_anomalous_by_time(connection, selection, sort, after, limit, budget)
    read = read_by_time if sort.column == "observed_at" else read_by_series
    if selection.anomalous is False and not selection.sifts:
        return await read_inconspicuous(read, connection, selection, sort, after, limit, budget)
    return await read(connection, selection, sort, after, limit, budget)


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
            select(*COLUMNS, series, record_edits.c.revision, record_edits.c.edited_by, record_edits.c.edited_at)
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


async def read_last_change(connection: AsyncConnection, key: RecordKey) -> Revision | None:
    """Who changed or deleted the record last, also where it is not there any more; None where nobody did."""
    series_id, observed_at = key
    columns = (record_edits.c.revision, record_edits.c.edited_by, record_edits.c.edited_at)
    statement = select(*columns).where(record_edits.c.series_id == series_id, record_edits.c.observed_at == observed_at)
    row = (await connection.execute(statement)).first()
    return None if row is None else Revision(*row)
