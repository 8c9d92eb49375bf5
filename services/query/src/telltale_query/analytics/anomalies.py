"""How many readings are anomalous."""

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.analytics.scope import Scope
from telltale_query.selection import NOT_DISMISSED
from telltale_shared.store.schema import anomalies, records


async def anomalies_by_series(connection: AsyncConnection, scope: Scope) -> dict[int, int]:
    """By id of a series: how many of its readings in ``scope`` a detector holds to be unusual and nobody dismissed."""
    selection = scope.selection
    if not selection.series or selection.anomalous is False:
        return {}
    # A judgement may outlive its reading: one that was deleted does not count, one behind the horizon does.
    same = and_(records.c.series_id == anomalies.c.series_id, records.c.observed_at == anomalies.c.observed_at)
    behind = not scope.keeps_readings and selection.whole_buckets_count
    is_there = [or_(records.c.series_id.is_not(None), anomalies.c.observed_at < scope.horizon)] if behind else []
    rows = await connection.execute(
        # Several detectors may have judged the same reading.
        select(anomalies.c.series_id, func.count(anomalies.c.observed_at.distinct()))
        .prefix_with("STRAIGHT_JOIN")
        .select_from(anomalies.join(records, same, isouter=behind))
        .where(NOT_DISMISSED, *selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at))
        .where(*is_there, *selection.of_values())
        .group_by(anomalies.c.series_id)
    )
    return {row[0]: row[1] for row in rows}
