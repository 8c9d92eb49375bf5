"""Stored readings of one series, to try a sensitivity on."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.store.schema import records, series


async def read_unit(connection: AsyncConnection, series_id: int) -> str | None:
    """The unit of a series."""
    return (await connection.execute(select(series.c.unit).where(series.c.id == series_id))).scalar_one_or_none()


async def read_newest(
    connection: AsyncConnection, series_id: int, since: datetime, until: datetime, limit: int
) -> list[tuple[datetime, float]]:
    """At most ``limit`` readings of the half-open range, the newest of it, in the order of time."""
    at = records.c.observed_at
    newest = (
        select(at, records.c.value)
        .where(records.c.series_id == series_id, at >= since, at < until)
        .order_by(at.desc())
        .limit(limit)
    )
    return [(row.observed_at, row.value) for row in reversed((await connection.execute(newest)).all())]
