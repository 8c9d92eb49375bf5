"""How values are spread: bins with counts, per unit."""

from collections.abc import Iterator

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import Aggregate, aggregate_by_series, together
from telltale_query.analytics.percentiles import FILTERED, INCOMPLETE
from telltale_query.analytics.queries import DistributionQuery
from telltale_query.analytics.schemas import Bin, Distribution
from telltale_query.analytics.scope import find_scope
from telltale_query.analytics.spread import sketches_by_group, values_by_group
from telltale_shared.errors import FieldError, InvalidRequest
from telltale_shared.store.records import Floats
from telltale_shared.store.sketches import Sketch, bounds_of

COUNTED_SINGLY = FILTERED
"""Readings up to which the readings themselves are counted."""


async def find_distribution(connection: AsyncConnection, query: DistributionQuery) -> Distribution:
    """The distribution of each unit.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    scope = await find_scope(connection, query)
    by_series = await aggregate_by_series(connection, scope.selection)
    units = {one.id: one.unit or "" for one in scope.selection.series if one.id in by_series}
    wholes = {
        unit: together(by_series[one] for one, its in units.items() if its == unit)
        for unit in sorted({*units.values()})
    }
    count = sum(one.count for one in by_series.values())
    filtered = not scope.selection.whole_buckets_count
    if filtered and count > COUNTED_SINGLY:
        message = f"must be shorter with this filter: it chooses {count:,} readings, at most {COUNTED_SINGLY:,} count"
        raise InvalidRequest(f"the range {message}", errors=[FieldError(field="from", message=message)])
    if filtered or (scope.keeps_readings and count <= COUNTED_SINGLY):
        values = await values_by_group(connection, scope.selection, units)
        items = [one for unit in wholes for one in _of_values(unit or None, values[unit], query.bins)]
        return Distribution(items, is_complete=True, notes=list(scope.notes))
    sketches = await sketches_by_group(connection, scope.selection, units)
    items = [
        one
        for unit, whole in wholes.items()
        if unit in sketches
        for one in _of_sketch(unit or None, sketches[unit], whole, query.bins)
    ]
    complete = sum(one.count for one in items) == count
    return Distribution(items, is_complete=complete, notes=[*scope.notes, *([] if complete else [INCOMPLETE])])


def _of_values(unit: str | None, values: Floats, bins: int) -> Iterator[Bin]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        yield Bin(unit, low, high, len(values))
        return
    counts, bounds = np.histogram(values, bins)
    for n in np.flatnonzero(counts).tolist():
        yield Bin(unit, float(bounds[n]), float(bounds[n + 1]), int(counts[n]))


def _of_sketch(unit: str | None, sketch: Sketch, whole: Aggregate, bins: int) -> Iterator[Bin]:
    """Neighbouring bins of ``sketch`` are put together where they begin in the same of ``bins`` equal parts."""
    lower, upper = bounds_of(sketch.codes)
    lower, upper = np.clip(lower, whole.minimum, whole.maximum), np.clip(upper, whole.minimum, whole.maximum)
    width = (whole.maximum - whole.minimum) / bins
    part = np.floor((lower - whole.minimum) / width) if width else np.zeros(len(lower))
    starts = np.flatnonzero(np.append(True, np.diff(part) != 0))[: len(part)]
    ends = np.append(starts[1:], len(part)) - 1
    counts = np.add.reduceat(sketch.counts, starts)
    for low, high, count in zip(lower[starts].tolist(), upper[ends].tolist(), counts.tolist(), strict=True):
        yield Bin(unit, low, high, count)
