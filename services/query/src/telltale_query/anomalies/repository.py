"""Reading anomalies."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.anomalies.schemas import Anomaly, AnomalyQuery, AnomalySort, VerdictFilter
from telltale_query.instants import outside, outside_or_none
from telltale_query.paging import RowId, Total, Window
from telltale_query.records.schemas import id_of
from telltale_query.selection import Range
from telltale_shared.store.schema import anomalies, series

COUNTED_SINGLY = 10_000

_JOINED = anomalies.join(series, series.c.id == anomalies.c.series_id)


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in a list a page begins or ends: what the cursor holds."""

    sort: AnomalySort
    observed_at: Annotated[datetime, msgspec.Meta(tz=False)]
    score: float
    id: RowId


def _select() -> Select[Any]:
    return select(anomalies, series.c.source, series.c.category, series.c.unit).select_from(_JOINED)


def _anomaly(row: Any) -> Anomaly:
    return Anomaly(
        id=str(row.id),
        record_id=id_of(row.series_id, row.observed_at),
        source=row.source,
        category=row.category,
        unit=row.unit,
        observed_at=outside(row.observed_at),
        value=row.value,
        score=row.score,
        expected_low=row.expected_low,
        expected_high=row.expected_high,
        kind=row.kind,
        explanation=row.explanation,
        detector=row.detector,
        version=row.version,
        detected_at=outside(row.detected_at),
        verdict=row.verdict,
        verdict_by=row.verdict_by,
        verdict_at=outside_or_none(row.verdict_at),
    )


def _conditions(query: AnomalyQuery) -> list[ColumnElement[bool]]:
    conditions = Range.of(query).holds(anomalies.c.observed_at)
    if query.source:
        conditions.append(series.c.source.in_(query.source))
    if query.category:
        conditions.append(series.c.category.in_(query.category))
    if query.verdict:
        named = [verdict.value for verdict in query.verdict if verdict is not VerdictFilter.NONE]
        wanted = anomalies.c.verdict.in_(named)
        conditions.append(or_(wanted, anomalies.c.verdict.is_(None)) if VerdictFilter.NONE in query.verdict else wanted)
    if query.detector is not None:
        conditions.append(anomalies.c.detector == query.detector)
    if query.kind is not None:
        conditions.append(anomalies.c.kind == query.kind)
    if query.min_score is not None:
        conditions.append(anomalies.c.score >= query.min_score)
    return conditions


async def list_anomalies(
    connection: AsyncConnection, query: AnomalyQuery, window: Window[Place]
) -> tuple[list[Anomaly], Total]:
    """The anomalies of ``window``, and how many there are."""
    conditions = _conditions(query)
    by_time = query.sort in (AnomalySort.OLDEST, AnomalySort.NEWEST)
    descending = query.sort in (AnomalySort.NEWEST, AnomalySort.STRONGEST)
    order = (anomalies.c.observed_at if by_time else anomalies.c.score, anomalies.c.id)

    def values(place: Place) -> tuple[object, ...]:
        return (place.observed_at if by_time else place.score, place.id)

    page = window.narrow(_select().where(*conditions), order, values, descending=descending)
    some = select(anomalies.c.id).select_from(_JOINED).where(*conditions).limit(COUNTED_SINGLY + 1).subquery()
    counted = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    items = [_anomaly(row) for row in await connection.execute(page)]
    return items, Total(min(counted, COUNTED_SINGLY), exact=counted <= COUNTED_SINGLY)


async def read_anomaly(connection: AsyncConnection, anomaly_id: int) -> Anomaly | None:
    """One anomaly, or None where there is none."""
    row = (await connection.execute(_select().where(anomalies.c.id == anomaly_id))).first()
    return None if row is None else _anomaly(row)
