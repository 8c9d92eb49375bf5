"""Reading what rollups cannot answer: percentiles and anomalies of readings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.selection import NOT_DISMISSED, Selection
from telltale_shared.store.schema import anomalies, records, series


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Linearly interpolated percentiles, as asked for, in the same order."""

    values: tuple[float, ...]


async def percentiles(
    connection: AsyncConnection, selection: Selection, wanted: Sequence[float], *, by_category: bool = False
) -> dict[str, Percentiles]:
    """Percentiles of the values of ``selection``, from the rows themselves.

    Args:
        connection: to read with.
        selection: which readings; the caller has bounded how many.
        wanted: each between 0 and 1.
        by_category: whether each category has its own; otherwise all are under the key ``""``.
    """
    if not selection.series:
        return {}
    group: ColumnElement[Any] = series.c.category if by_category else literal_column("''")
    partition = [group] if by_category else []
    ranked = (
        select(
            group.label("part"),
            records.c.value,
            func.row_number().over(partition_by=partition or None, order_by=records.c.value).label("place"),
            func.count().over(partition_by=partition or None).label("n"),
        )
        .prefix_with("STRAIGHT_JOIN")
        .select_from(selection.source().join(series, series.c.id == records.c.series_id))
        .where(*selection.conditions())
        .subquery()
    )
    # The two readings around each percentile; places begin at 1.
    places = [1 + func.floor((ranked.c.n - 1) * quantile) + step for quantile in wanted for step in (0, 1)]
    found: dict[str, dict[int, float]] = {}
    sizes: dict[str, int] = {}
    statement = select(ranked.c.part, ranked.c.place, ranked.c.value, ranked.c.n).where(ranked.c.place.in_(places))
    for part, place, value, size in await connection.execute(statement):
        found.setdefault(part, {})[int(place)] = value
        sizes[part] = int(size)
    return {
        part: Percentiles(tuple(_interpolated(values, sizes[part], quantile) for quantile in wanted))
        for part, values in found.items()
    }


def _interpolated(values: dict[int, float], size: int, quantile: float) -> float:
    rank = (size - 1) * quantile
    below = values[1 + int(rank)]
    above = values.get(2 + int(rank), below)
    return below + (above - below) * (rank - int(rank))


async def count_anomalies(connection: AsyncConnection, selection: Selection) -> dict[str, int]:
    """Per category: how many readings of ``selection`` are anomalous."""
    if not selection.series or selection.anomalous is False:
        return {}
    unusual = (
        select(anomalies.c.series_id, anomalies.c.observed_at)
        .where(NOT_DISMISSED, *selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at))
        .distinct()
        .subquery()
    )
    same = (records.c.series_id == unusual.c.series_id) & (records.c.observed_at == unusual.c.observed_at)
    rows = await connection.execute(
        select(series.c.category, func.count().label("n"))
        .select_from(unusual.join(records, same).join(series, series.c.id == unusual.c.series_id))
        .where(*selection.of_values())
        .group_by(series.c.category)
    )
    return {row.category: row.n for row in rows}
