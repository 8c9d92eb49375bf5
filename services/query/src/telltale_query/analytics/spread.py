"""How the values of groups of series are spread: the values themselves, or the sum of their sketches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.cutting import Cut, cut
from telltale_query.selection import Range, Selection
from telltale_query.tiered import at_once, within
from telltale_shared.store.records import Floats
from telltale_shared.store.schema import records, sketches_day, sketches_hour, sketches_minute
from telltale_shared.store.sketches import Sketch
from telltale_shared.store.tiers import DAY, HOUR, MINUTE

Groups = Mapping[int, Any]
"""By id of a series: the group that it belongs to."""

_SKETCHES = {MINUTE: sketches_minute, HOUR: sketches_hour, DAY: sketches_day}


async def values_by_group(connection: AsyncConnection, selection: Selection, groups: Groups) -> dict[Any, Floats]:
    """By group: the values of all readings of ``selection``; the caller has bounded how many."""
    return await _values(connection, selection, [selection.range], groups)


async def sketches_by_group(connection: AsyncConnection, selection: Selection, groups: Groups) -> dict[Any, Sketch]:
    """By group: the sum of the sketches of ``selection``, at its ragged edges made from the readings.

    One that counts fewer values than there are readings lacks sketches of old rollups.
    """
    sources = cut(selection.range)
    blobs = await _blobs(connection, selection, sources, groups)
    found = {group: Sketch.from_blobs(some) for group, some in blobs.items()}
    for group, values in (await _values(connection, selection, sources.get(None, []), groups)).items():
        edges = Sketch.from_values(values)
        found[group] = found[group] + edges if group in found else edges
    return found


async def _values(
    connection: AsyncConnection, selection: Selection, ranges: list[Range], groups: Groups
) -> dict[Any, Floats]:
    if not ranges or not selection.series:
        return {}
    statements = [
        select(records.c.series_id, records.c.value)
        .prefix_with("STRAIGHT_JOIN")
        .select_from(selection.source())
        .where(*selection.along_key(), within(some, records.c.observed_at), *selection.of_values())
        for some in at_once(None, ranges)
    ]
    found: dict[Any, list[float]] = {}
    for series_id, value in await connection.execute(union_all(*statements)):
        if series_id in groups:
            found.setdefault(groups[series_id], []).append(value)
    return {group: np.array(values, np.float64) for group, values in found.items()}


async def _blobs(
    connection: AsyncConnection, selection: Selection, sources: Cut, groups: Groups
) -> dict[Any, list[bytes]]:
    found: dict[Any, list[bytes]] = {}
    for tier, ranges in sources.items():
        if tier is None or not selection.series:
            continue
        table = _SKETCHES[tier]
        statement = select(table.c.series_id, table.c.bins).where(
            *selection.by_key(table), within(ranges, table.c.bucket)
        )
        for series_id, bins in await connection.execute(statement):
            if series_id in groups:
                found.setdefault(groups[series_id], []).append(bins)
    return found
