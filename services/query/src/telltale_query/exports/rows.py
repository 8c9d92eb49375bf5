"""Reading many records: how they lie in time and over the series, and all of a part at once."""

from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.records.schemas import RecordKey
from telltale_query.selection import ROLLUPS, Selection
from telltale_shared.store.rollups import DAY, Tier
from telltale_shared.store.schema import anomalies, records, series_latest

Row = tuple[int, datetime, float, str | None]
"""A record: series id, naive UTC instant, value, note."""

Judgement = tuple[float, str | None]
"""What detectors say of a record: the highest score, and a person's verdict on it."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many records lie in one bucket of time."""

    start: datetime
    rows: int
    """All those of the chosen series."""
    possible: int
    """Those of buckets whose extremes let a record pass the filters on its value."""


async def newest_instant(connection: AsyncConnection, selection: Selection) -> datetime | None:
    """When the newest record of the chosen series was observed."""
    statement = select(func.max(series_latest.c.observed_at)).where(*selection.of_series(series_latest))
    newest: datetime | None = (await connection.execute(statement)).scalar()
    return newest


async def rows_by_bucket(connection: AsyncConnection, selection: Selection, tier: Tier) -> list[Bucket]:
    """How the records of ``selection`` lie in time, in its order; buckets at the edges count with all they hold."""
    table = ROLLUPS[tier]
    possible = func.if_(and_(*selection.may_hold(table)), table.c.count, 0)
    statement = (
        select(table.c.bucket, func.sum(table.c.count), func.sum(possible))
        .where(*selection.of_series(table), *selection.overlaps(tier))
        .group_by(table.c.bucket)
        .order_by(table.c.bucket)
    )
    return [Bucket(start, int(rows), int(some)) for start, rows, some in await connection.execute(statement)]


async def unusual_by_day(connection: AsyncConnection, selection: Selection) -> list[Bucket]:
    """Like :func:`rows_by_bucket`, of the records that detectors judged at all."""
    day = func.date(anomalies.c.observed_at)
    statement = (
        select(day, func.count())
        .where(*selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at))
        .group_by(day)
        .order_by(day)
    )
    found = await connection.execute(statement)
    return [Bucket(datetime.combine(on, time.min), rows, rows) for on, rows in found]


async def rows_by_series(connection: AsyncConnection, selection: Selection) -> dict[int, int]:
    """How many records each series has at most; none where it has none."""
    table = ROLLUPS[DAY]
    if selection.anomalous:
        statement = select(anomalies.c.series_id, func.count()).where(
            *selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at)
        )
    else:
        statement = select(table.c.series_id, func.sum(table.c.count)).where(
            *selection.of_series(table), *selection.overlaps(DAY)
        )
    grouped = statement.group_by(statement.selected_columns[0])
    return {series_id: int(rows) for series_id, rows in await connection.execute(grouped)}


async def count_rows(connection: AsyncConnection, selection: Selection) -> int:
    """How many records there are, counted one by one: for short ranges."""
    counted = select(func.count()).select_from(selection.source()).where(*selection.conditions())
    rows: int = (await connection.execute(counted.prefix_with("STRAIGHT_JOIN"))).scalar_one()
    return rows


async def read_rows(connection: AsyncConnection, selection: Selection) -> list[Row]:
    """All records of ``selection``, in any order, read along the clustered key."""
    columns = (records.c.series_id, records.c.observed_at, records.c.value, records.c.note)
    statement = select(*columns).select_from(selection.source()).where(*selection.conditions())
    result = await connection.execute(statement.prefix_with("STRAIGHT_JOIN"))
    return [(series_id, at, value, note) for series_id, at, value, note in result]


async def read_judgements(connection: AsyncConnection, selection: Selection) -> dict[RecordKey, Judgement]:
    """By record: what detectors say of the records of the chosen series and range."""
    statement = (
        select(anomalies.c.series_id, anomalies.c.observed_at, anomalies.c.score, anomalies.c.verdict)
        .where(*selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at))
        .order_by(anomalies.c.score)
    )
    return {(series_id, at): (score, verdict) for series_id, at, score, verdict in await connection.execute(statement)}
