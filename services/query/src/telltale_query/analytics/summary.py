"""A range in a few numbers."""

import math
from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import together
from telltale_query.analytics.figures import NONE, Grouped, figures_by_group
from telltale_query.analytics.gaps import find_gaps
from telltale_query.analytics.queries import SummaryQuery
from telltale_query.analytics.schemas import Figures, Moment, Summary, UnitFigures
from telltale_query.analytics.scope import Scope, find_scope
from telltale_query.instants import outside
from telltale_query.records.parts import Budget
from telltale_query.records.repository import read_rows
from telltale_query.records.schemas import RecordSort

_ALL = ""


async def summarize(connection: AsyncConnection, query: SummaryQuery) -> Summary:
    """The whole selection in a few numbers.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    scope = await find_scope(connection, query)
    grouped = await _grouped(connection, scope, query)
    figures = _all_of(grouped)
    before = scope.before() if query.compare else None
    return Summary(
        **asdict(figures),
        first=await _end(connection, scope, RecordSort.OLDEST) if figures.count else None,
        last=await _end(connection, scope, RecordSort.NEWEST) if figures.count else None,
        gaps=await find_gaps(connection, scope.selection),
        by_unit=_by_unit(grouped, scope),
        previous=None if before is None else _all_of(await _grouped(connection, before, query)),
        notes=list(grouped.notes),
    )


async def _grouped(connection: AsyncConnection, scope: Scope, query: SummaryQuery) -> Grouped:
    return await figures_by_group(connection, scope, lambda _: _ALL, percentiles=query.percentiles)


def _all_of(grouped: Grouped) -> Figures:
    return grouped.groups[_ALL].figures if grouped.groups else NONE


async def _end(connection: AsyncConnection, scope: Scope, sort: RecordSort) -> Moment | None:
    part = await read_rows(connection, scope.selection, sort, after=None, limit=1, budget=Budget(math.inf))
    names = {one.id: one for one in scope.selection.series}
    for row in part.rows:
        one = names[row.series_id]
        return Moment(one.source, one.category, outside(row.observed_at), row.value)
    return None


def _by_unit(grouped: Grouped, scope: Scope) -> list[UnitFigures]:
    present = [one for one in scope.selection.series if one.id in grouped.by_series]
    units = sorted({one.unit for one in present}, key=lambda unit: unit or "")
    wholes = {unit: together(grouped.by_series[one.id] for one in present if one.unit == unit) for unit in units}
    return [
        UnitFigures(unit, whole.count, whole.mean, whole.minimum, whole.maximum, whole.stddev)
        for unit, whole in wholes.items()
    ]
