"""Reading lines of points: numbers per line and bucket of time."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.analytics.calendar import Calendar
from telltale_query.analytics.schemas import Point
from telltale_query.cutting import Cut
from telltale_query.instants import outside
from telltale_query.selection import Range, Selection
from telltale_query.tiered import numbers_by_slot, numbers_in_slot
from telltale_shared.instants import EPOCH, MICROSECOND
from telltale_shared.store.series import Series
from telltale_shared.store.tiers import TIERS

Key = int | str
"""Of a line: the id of a series, or a category."""
Lines = Mapping[Key, tuple[Series, ...]]
"""Which series make up which line."""
Points = dict[Key, list[Point]]

READ_APART = 4
"""Ranges of a tier that lie in one bucket each and are read by a statement of their own, at most."""


async def read_points(connection: AsyncConnection, selection: Selection, calendar: Calendar, lines: Lines) -> Points:
    """The points of each line that has any, in the order of time.

    Args:
        connection: to read with.
        selection: the readings of all ``lines``.
        calendar: the buckets, over the range of ``selection``.
        lines: which series make up which line.
    """
    if not selection.series or calendar.range.start >= calendar.range.end:
        return {}
    sources = calendar.cut(TIERS if selection.whole_buckets_count else ())
    statements = list(_statements(selection, sources, calendar, lines))
    found: dict[Key, dict[int, Point]] = {key: {} for key in lines}
    line_of = {one.id: found[key] for key, members in lines.items() for one in members}
    # All at once: iterated over, each row costs a chain of calls.
    for series_id, count, total, low, high, slot in (await connection.execute(union_all(*statements))).all():
        line = line_of[series_id]
        point = line.get(slot)
        if point is None:
            # Until all is read, ``mean`` holds the sum and ``at`` nothing.
            line[slot] = Point(EPOCH, int(count), total, low, high)
        else:
            point.count += int(count)
            point.mean += total
            point.min, point.max = min(point.min, low), max(point.max, high)
    return _finished(found, calendar)


def _statements(selection: Selection, sources: Cut, calendar: Calendar, lines: Lines) -> Iterator[Select[Any]]:
    merged = any(len(members) > 1 for members in lines.values())
    for tier, ranges in sources.items():
        apart = [one for one in ranges if _is_in_one_bucket(one, calendar)][:READ_APART]
        for one in apart:
            yield numbers_in_slot(selection, tier, one, calendar.key_of(one.start))
        rest = [one for one in ranges if one not in apart]
        if rest and not merged:
            yield numbers_by_slot(selection, tier, rest, calendar.slot, together=False)
        elif rest:
            for members in lines.values():
                # Grouped by a number only: the name of a category in the key takes half as long again.
                line = replace(selection, series=members, everything=False)
                yield numbers_by_slot(line, tier, rest, calendar.slot, together=True)


def _is_in_one_bucket(wanted: Range, calendar: Calendar) -> bool:
    return calendar.key_of(wanted.start) == calendar.key_of(wanted.end - MICROSECOND)


def _finished(found: Mapping[Key, Mapping[int, Point]], calendar: Calendar) -> Points:
    starts = {slot: outside(calendar.start_of(slot)) for slot in set().union(*found.values())}
    for line in found.values():
        for slot, point in line.items():
            point.at = starts[slot]
            point.mean /= point.count
    return {key: [line[slot] for slot in sorted(line)] for key, line in found.items() if line}
