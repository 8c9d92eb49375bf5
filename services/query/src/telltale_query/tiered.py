"""Statements that read rollups in the middle of a range and the readings themselves at its ragged edges."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, Table, and_, func, literal, or_, select, true, union_all

from telltale_query.cutting import Cut
from telltale_query.selection import ROLLUPS, Range, Selection
from telltale_shared.store import schema
from telltale_shared.store.tiers import Tier

Slot = Callable[[ColumnElement[Any]], ColumnElement[Any]]
"""From a column with instants: which bucket of time a row belongs to."""


def numbers(selection: Selection, cut: Cut) -> CompoundSelect[Any]:
    """``series_id, n, total, low, high, squares`` by series, from each source of ``cut`` by itself."""
    return union_all(
        *(
            _numbers(selection, tier, some, squares=True)
            for tier, ranges in cut.items()
            for some in at_once(tier, ranges)
        )
    )


def at_once(tier: Tier | None, ranges: list[Range]) -> list[list[Range]]:
    """``ranges``, as one statement should read them.

    Records are partitioned by day: named together, every series would be looked up in the partitions of all ranges.
    """
    return [[one] for one in ranges] if tier is None else [ranges]


def numbers_in_slot(selection: Selection, tier: Tier | None, wanted: Range, slot: int) -> Select[Any]:
    """``series_id, n, total, low, high, slot`` by series, for a range within one bucket of time.

    In the order of the clustered key, so that the database groups as it reads: twice as fast as by a computed slot.
    """
    return _numbers(selection, tier, [wanted], squares=False).add_columns(literal(slot).label("slot"))


def numbers_by_slot(
    selection: Selection, tier: Tier | None, ranges: Sequence[Range], slot: Slot, *, together: bool
) -> Select[Any]:
    """``series_id, n, total, low, high, slot`` by series and bucket of time.

    Args:
        selection: which readings.
        tier: of rollups, or None for the readings themselves.
        ranges: what to read.
        slot: the bucket that a row belongs to.
        together: whether all series are one; then ``series_id`` is that of any of them.
    """
    source, at = _source(tier)
    bucket = slot(at).label("slot")
    series_id = literal(selection.series[0].id).label("series_id") if together else source.c.series_id
    statement = _select(selection, tier, ranges, [series_id, *_numbers_of(tier), bucket])
    return statement.group_by(bucket) if together else statement.group_by(source.c.series_id, bucket)


def _numbers(selection: Selection, tier: Tier | None, ranges: Sequence[Range], *, squares: bool) -> Select[Any]:
    source, _ = _source(tier)
    columns = [source.c.series_id, *_numbers_of(tier), *([_squares_of(tier)] if squares else [])]
    return _select(selection, tier, ranges, columns).group_by(source.c.series_id)


def _source(tier: Tier | None) -> tuple[Table, ColumnElement[Any]]:
    """What to read from, and its column of time."""
    if tier is None:
        return schema.records, schema.records.c.observed_at
    return ROLLUPS[tier], ROLLUPS[tier].c.bucket


@cache
def _numbers_of(tier: Tier | None) -> tuple[ColumnElement[Any], ...]:
    if tier is None:
        value = schema.records.c.value
        numbers: Sequence[ColumnElement[Any]] = (func.count(), func.sum(value), func.min(value), func.max(value))
    else:
        rollup = ROLLUPS[tier].c
        sums = (func.sum(rollup["count"]), func.sum(rollup.total))
        numbers = (*sums, func.min(rollup.minimum), func.max(rollup.maximum))
    return tuple(number.label(name) for number, name in zip(numbers, ("n", "total", "low", "high"), strict=True))


@cache
def _squares_of(tier: Tier | None) -> ColumnElement[Any]:
    if tier is None:
        squares = func.sum(func.pow(schema.records.c.value - schema.series.c.origin, 2))
    else:
        squares = func.sum(ROLLUPS[tier].c.total_squares)
    return squares.label("squares")


def _select(
    selection: Selection, tier: Tier | None, ranges: Sequence[Range], columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    if tier is None:
        return _of_records(selection, ranges, columns)
    rollup = ROLLUPS[tier]
    return select(*columns).select_from(rollup).where(*selection.by_key(rollup), within(ranges, rollup.c.bucket))


def _of_records(selection: Selection, ranges: Sequence[Range], columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    records, series = schema.records, schema.series
    return (
        select(*columns)
        .prefix_with("STRAIGHT_JOIN")
        .select_from(selection.source().join(series, series.c.id == records.c.series_id))
        .where(*selection.along_key(), within(ranges, records.c.observed_at), *selection.of_values())
    )


def within(ranges: Sequence[Range], column: ColumnElement[Any]) -> ColumnElement[bool]:
    """That ``column`` lies in one of ``ranges``."""
    return or_(*(and_(true(), *one.holds(column)) for one in ranges))
