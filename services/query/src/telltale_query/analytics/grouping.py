"""The same numbers for each category or each source, side by side."""

from dataclasses import asdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.analytics.figures import NONE, Grouping, figures_by_group
from telltale_query.analytics.queries import GroupsQuery
from telltale_query.analytics.schemas import Categories, CategoryFigures, SourceFigures, Sources
from telltale_query.analytics.scope import find_scope


async def by_category(connection: AsyncConnection, query: GroupsQuery) -> Categories:
    """The numbers of each category.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    groups, notes = await _groups(connection, query, lambda one: one.category)
    return Categories([CategoryFigures(**numbers, category=name) for name, numbers in groups.items()], notes)


async def by_source(connection: AsyncConnection, query: GroupsQuery) -> Sources:
    """The numbers of each source.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    groups, notes = await _groups(connection, query, lambda one: one.source)
    return Sources([SourceFigures(**numbers, source=name) for name, numbers in groups.items()], notes)


async def _groups(
    connection: AsyncConnection, query: GroupsQuery, grouping: Grouping
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    scope = await find_scope(connection, query)
    now = await figures_by_group(connection, scope, grouping, percentiles=query.percentiles)
    earlier = scope.before() if query.compare else None
    before = None
    if earlier is not None:
        before = await figures_by_group(connection, earlier, grouping, percentiles=query.percentiles)
    found: dict[str, dict[str, Any]] = {}
    for name, group in now.groups.items():
        previous = None
        if before is not None:
            previous = before.groups[name].figures if name in before.groups else NONE
        found[name] = {
            **asdict(group.figures), "unit": group.unit, "series": len(group.members), "previous": previous,
        }  # fmt: skip
    return found, list(now.notes)
