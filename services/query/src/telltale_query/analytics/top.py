"""The series, sources or categories that stand out."""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.analytics.figures import Group, Grouping, figures_by_group
from telltale_query.analytics.queries import TopBy, TopOf, TopQuery
from telltale_query.analytics.schemas import Figures, Top, TopItem
from telltale_query.analytics.scope import find_scope

SEVERAL_UNITS = "Values of several units stand side by side."

_GROUPING: dict[TopOf, Grouping] = {
    TopOf.SERIES: lambda one: str(one.id),
    TopOf.SOURCE: lambda one: one.source,
    TopOf.CATEGORY: lambda one: one.category,
}
_VALUE: dict[TopBy, Callable[[Figures], float]] = {
    TopBy.MEAN: lambda one: one.mean or 0.0,
    TopBy.MAX: lambda one: one.max or 0.0,
    TopBy.MIN: lambda one: one.min or 0.0,
    TopBy.COUNT: lambda one: one.count,
    TopBy.STDDEV: lambda one: one.stddev or 0.0,
    TopBy.RANGE: lambda one: (one.max or 0.0) - (one.min or 0.0),
    TopBy.ANOMALIES: lambda one: one.anomalies,
}


async def find_top(connection: AsyncConnection, query: TopQuery) -> Top:
    """The highest first.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    scope = await find_scope(connection, query)
    grouped = await figures_by_group(connection, scope, _GROUPING[query.of], percentiles=False)
    items = [_item(group, query) for group in grouped.groups.values()]
    items.sort(key=lambda one: (-one.value, one.source or "", one.category or ""))
    notes = list(grouped.notes)
    units = {one.unit for group in grouped.groups.values() for one in group.members}
    if query.by not in (TopBy.COUNT, TopBy.ANOMALIES) and len(units) > 1:
        notes.append(SEVERAL_UNITS)
    return Top(items[: query.n], len(items), notes)


def _item(group: Group, query: TopQuery) -> TopItem:
    member = group.members[0]
    return TopItem(
        **asdict(group.figures),
        source=None if query.of is TopOf.CATEGORY else member.source,
        category=None if query.of is TopOf.SOURCE else member.category,
        unit=group.unit,
        value=_VALUE[query.by](group.figures),
    )
