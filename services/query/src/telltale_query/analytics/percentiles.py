"""Percentiles of groups of series: exact where readings are few, from sketches where they are many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import Aggregate
from telltale_query.analytics.scope import Scope
from telltale_query.analytics.spread import Groups, sketches_by_group, values_by_group
from telltale_shared.store.sketches import RELATIVE_ERROR, Sketch

QUANTILES = (0.5, 0.9, 0.95, 0.99)
FEW = 50_000
"""Readings up to which percentiles are taken from the readings themselves, and so are exact."""
FILTERED = 200_000
"""The same where a filter looks at single readings, or sketches are missing: no sketch can answer."""

TOO_MANY = f"Percentiles of readings that a filter by value or anomaly chose are given up to {FILTERED:,} readings."
INCOMPLETE = "Percentiles are missing where readings are older than the sketches they are taken from."


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The values at ``QUANTILES``."""

    values: tuple[float, ...]
    relative_error: float
    """0: interpolated linearly between the readings themselves; else how far a value may be from the true one."""


@dataclass(frozen=True)
class Ranked:
    """Percentiles by group, and what to say about those that are missing."""

    by_group: Mapping[Any, Percentiles]
    note: str | None = None


async def percentiles_by_group(
    connection: AsyncConnection, scope: Scope, aggregates: Mapping[Any, Aggregate], groups: Groups
) -> Ranked:
    """Percentiles of each group.

    Args:
        connection: on the same snapshot as ``aggregates`` were read from.
        scope: which readings.
        aggregates: by group, of the same readings.
        groups: by id of a series, its group.
    """
    count = sum(one.count for one in aggregates.values())
    filtered = not scope.selection.whole_buckets_count
    readable = filtered or scope.keeps_readings
    if filtered and count > FILTERED:
        return Ranked({}, TOO_MANY)
    if readable and (filtered or count <= FEW):
        return await _exactly(connection, scope, groups)
    sketches = await sketches_by_group(connection, scope.selection, groups)
    complete = {
        group: _of_sketch(sketches[group], whole)
        for group, whole in aggregates.items()
        if group in sketches and sketches[group].count == whole.count
    }
    if len(complete) == len(aggregates):
        return Ranked(complete)
    if readable and count <= FILTERED:
        return await _exactly(connection, scope, groups)
    return Ranked(complete, INCOMPLETE)


async def _exactly(connection: AsyncConnection, scope: Scope, groups: Groups) -> Ranked:
    values = await values_by_group(connection, scope.selection, groups)
    return Ranked(
        {group: Percentiles(tuple(np.quantile(some, QUANTILES).tolist()), 0) for group, some in values.items()}
    )


def _of_sketch(sketch: Sketch, whole: Aggregate) -> Percentiles:
    values = (sketch.quantile(quantile, whole.minimum, whole.maximum) for quantile in QUANTILES)
    return Percentiles(tuple(values), RELATIVE_ERROR)
