"""The numbers of groups of series, from one state of the database."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import Aggregate, aggregate_by_series, together
from telltale_query.analytics.anomalies import anomalies_by_series
from telltale_query.analytics.percentiles import Percentiles, percentiles_by_group
from telltale_query.analytics.schemas import Figures
from telltale_query.analytics.scope import Scope
from telltale_shared.store.series import Series

Grouping = Callable[[Series], str]
"""From a series to the name of the group that it belongs to."""


@dataclass(frozen=True)
class Group:
    """The series of a group that have readings, and their numbers."""

    members: tuple[Series, ...]
    figures: Figures

    @property
    def unit(self) -> str | None:
        """The unit of all its series, or None where they have several."""
        return unit_of(self.members)


def unit_of(members: Iterable[Series]) -> str | None:
    """The unit that all of ``members`` have, or None."""
    units = {one.unit for one in members}
    return units.pop() if len(units) == 1 else None


@dataclass(frozen=True)
class Grouped:
    """Groups by name, in the order of their names."""

    groups: Mapping[str, Group]
    by_series: Mapping[int, Aggregate]
    notes: tuple[str, ...]


async def figures_by_group(
    connection: AsyncConnection, scope: Scope, grouping: Grouping, *, percentiles: bool
) -> Grouped:
    """The numbers of each group that has readings in ``scope``.

    Args:
        connection: on a snapshot, so that all numbers are of one state.
        scope: which readings.
        grouping: which group a series belongs to.
        percentiles: whether to find percentiles, too.
    """
    by_series = await aggregate_by_series(connection, scope.selection)
    anomalies = await anomalies_by_series(connection, scope) if by_series else {}
    members: dict[str, list[Series]] = {}
    for one in scope.selection.series:
        if one.id in by_series:
            members.setdefault(grouping(one), []).append(one)
    wholes = {name: together(by_series[one.id] for one in some) for name, some in members.items()}
    ranked: Mapping[str, Percentiles] = {}
    notes = scope.notes
    if percentiles and by_series:
        groups = {one.id: name for name, some in members.items() for one in some}
        found = await percentiles_by_group(connection, scope, wholes, groups)
        ranked, notes = found.by_group, (*notes, *([found.note] if found.note else []))
    groups_found = {
        name: Group(
            tuple(members[name]),
            figures_of(wholes[name], ranked.get(name), sum(anomalies.get(one.id, 0) for one in members[name])),
        )
        for name in sorted(members)
    }
    return Grouped(groups_found, by_series, notes)


def figures_of(whole: Aggregate, ranked: Percentiles | None, anomalies: int) -> Figures:
    """The numbers of one group as they go out."""
    some = whole.count > 0
    p50, p90, p95, p99 = ranked.values if ranked is not None else (None,) * 4
    return Figures(
        count=whole.count,
        mean=whole.mean if some else None,
        min=whole.minimum if some else None,
        max=whole.maximum if some else None,
        stddev=whole.stddev if some else None,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        percentiles_relative_error=None if ranked is None else ranked.relative_error,
        anomalies=anomalies,
    )


NONE = figures_of(Aggregate(), None, 0)
"""The numbers of no readings."""
