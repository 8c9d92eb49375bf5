"""How many readings are anomalous."""

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.analytics.scope import Scope
from telltale_query.selection import NOT_DISMISSED
from telltale_shared.store.schema import anomalies, records


async def anomalies_by_series(connection: AsyncConnection, scope: Scope) -> dict[int, int]:
    """By id of a series: how many of its readings in ``scope`` a detector holds to be unusual and nobody dismissed."""
    selection = scope.selection
    if not selection.series or selection.anomalous is False:
        return {}
    unusual = (
        select(anomalies.c.series_id, anomalies.c.observed_at)
        .where(NOT_DISMISSED, *selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at))
        .distinct()
        .subquery()
    )
    # A judgement may outlive its reading: one that was deleted does not count, one behind the horizon does.
    same = and_(records.c.series_id == unusual.c.series_id, records.c.observed_at == unusual.c.observed_at)
    is_there: ColumnElement[bool] = records.c.series_id.is_not(None)
    if scope.horizon is not None and selection.whole_buckets_count:
        is_there = or_(is_there, unusual.c.observed_at < scope.horizon)
    rows = await connection.execute(
        select(unusual.c.series_id, func.count())
        .select_from(unusual.join(records, same, isouter=True))
        .where(is_there, *selection.of_values())
        .group_by(unusual.c.series_id)
    )
    return {row[0]: row[1] for row in rows}
