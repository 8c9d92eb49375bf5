"""Reading series with their newest readings."""

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.filters import SeriesQuery
from telltale_query.instants import outside
from telltale_query.paging import Total, Window
from telltale_query.series.schemas import LatestReading, SeriesItem
from telltale_shared.store.schema import series, series_latest


class Key(msgspec.Struct, frozen=True, array_like=True):
    """A series at the edge of a page: what the cursor holds."""

    source: str
    category: str


async def list_series(
    connection: AsyncConnection, query: SeriesQuery, window: Window[Key]
) -> tuple[list[SeriesItem], Total]:
    """The series of ``window``, by source and category, and how many there are on all pages."""
    chosen = []
    if query.source:
        chosen.append(series.c.source.in_(query.source))
    if query.category:
        chosen.append(series.c.category.in_(query.category))
    statement = (
        select(
            series.c.id, series.c.source, series.c.category, series.c.unit, series_latest.c.observed_at,
            series_latest.c.value,
        )
        .join_from(series, series_latest, series.c.id == series_latest.c.series_id, isouter=True)
        .where(*chosen)
    )  # fmt: skip
    order = (series.c.source, series.c.category)
    statement = window.narrow(statement, order, lambda key: (key.source, key.category), descending=False)
    total = (await connection.execute(select(func.count()).select_from(series).where(*chosen))).scalar_one()
    items = [
        SeriesItem(
            id=row.id,
            source=row.source,
            category=row.category,
            unit=row.unit,
            latest=None if row.observed_at is None else LatestReading(outside(row.observed_at), row.value),
        )
        for row in await connection.execute(statement)
    ]
    return items, Total(total)
