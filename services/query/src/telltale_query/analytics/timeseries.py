"""Series over time, in buckets of a named time zone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import aggregate_by_series
from telltale_query.analytics.calendar import MINUTE, Calendar, Width
from telltale_query.analytics.figures import unit_of
from telltale_query.analytics.points import Key, Points, read_points
from telltale_query.analytics.queries import BucketWidth, GroupBy, TimeseriesQuery
from telltale_query.analytics.schemas import Line, Timeseries
from telltale_query.analytics.scope import Scope, closed_range, find_scope
from telltale_query.analytics.widths import CHOSEN, Load, finest, may_be_below_a_minute, refuse_too_many
from telltale_query.selection import Range
from telltale_shared.instants import EPOCH
from telltale_shared.store.series import Series

_NEVER = Range(EPOCH, EPOCH)
"""Where there are no readings."""


@dataclass(frozen=True)
class _Lines:
    """What is shown: which series make up which line, in the order of the answer."""

    members: Mapping[Key, tuple[Series, ...]]
    total: int | None
    """Lines with readings; None: those that turn out to have points."""
    by_category: bool


async def over_time(connection: AsyncConnection, query: TimeseriesQuery) -> Timeseries:
    """Each line in buckets of time.

    Raises:
        InvalidRequest: a bad range, too many buckets, or too many readings to look at one by one.
    """
    scope = await find_scope(connection, query)
    lines = await _lines(connection, scope, query)
    shown = tuple(one for members in lines.members.values() for one in members)
    if len(shown) < len(scope.selection.series):
        scope = replace(scope, selection=replace(scope.selection, series=shown, everything=False))
    wanted = await closed_range(connection, scope.selection) or _NEVER
    width = await _width(connection, scope, query, Load(wanted, len(shown), len(lines.members)))
    scope, wanted = _above_horizon(scope, wanted, width)
    zone = ZoneInfo(query.time_zone)
    points = await read_points(connection, scope.selection, Calendar(zone, width, wanted), lines.members)
    before = scope.before() if query.compare else None
    previous: Points | None = None
    if before is not None:
        calendar = Calendar(zone, width, await closed_range(connection, before.selection) or _NEVER)
        previous = await read_points(connection, before.selection, calendar, lines.members)
    present = [key for key in lines.members if points.get(key)]
    span = scope.selection.range.end - scope.selection.range.start
    return Timeseries(
        bucket=width.label,
        bucket_seconds=width.seconds or None,
        time_zone=query.time_zone,
        previous_shift_seconds=None if previous is None else span.total_seconds(),
        series=[
            Line(
                source=None if lines.by_category else lines.members[key][0].source,
                category=lines.members[key][0].category,
                unit=unit_of(lines.members[key]),
                points=points[key],
                previous=None if previous is None else previous.get(key, []),
            )
            for key in present
        ],
        series_total=len(present) if lines.total is None else lines.total,
        notes=list(scope.notes),
    )


async def _lines(connection: AsyncConnection, scope: Scope, query: TimeseriesQuery) -> _Lines:
    by_category = query.group_by is GroupBy.CATEGORY
    members = _members(scope.selection.series, by_category=by_category)
    if len(members) <= query.limit:
        return _Lines(members, None, by_category)
    # Only now it matters which of them have readings at all.
    counts = await aggregate_by_series(connection, scope.selection)
    members = _members((one for one in scope.selection.series if one.id in counts), by_category=by_category)
    return _Lines(dict(list(members.items())[: query.limit]), len(members), by_category)


def _members(chosen: Iterable[Series], *, by_category: bool) -> dict[Key, tuple[Series, ...]]:
    if not by_category:
        return {one.id: (one,) for one in chosen}
    found: dict[Key, list[Series]] = {}
    for one in chosen:
        found.setdefault(one.category, []).append(one)
    return {category: tuple(found[category]) for category in sorted(found, key=str)}


async def _width(connection: AsyncConnection, scope: Scope, query: TimeseriesQuery, load: Load) -> Width:
    if query.bucket is not BucketWidth.AUTO:
        refuse_too_many(CHOSEN[query.bucket], load)
        return CHOSEN[query.bucket]
    readings = None
    if scope.keeps_readings and may_be_below_a_minute(load):
        readings = sum(one.count for one in (await aggregate_by_series(connection, scope.selection)).values())
    return finest(load, readings)


def _above_horizon(scope: Scope, wanted: Range, width: Width) -> tuple[Scope, Range]:
    """Buckets of less than a minute can only be made where readings are kept one by one."""
    horizon = scope.horizon
    if horizon is None or scope.keeps_readings or width.months or width.seconds >= MINUTE:
        return scope, wanted
    cut_off = Range(min(horizon, wanted.end), wanted.end)
    note = f"Readings before {horizon.isoformat(timespec='minutes')}Z are kept per minute only: not shown in seconds."
    return scope.over(cut_off).noting(note), cut_off
