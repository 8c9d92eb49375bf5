"""Gaps: buckets of time without a reading, between the first and the last reading of a series."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ConfigDict, with_config
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.analytics.scope import closed_range
from telltale_query.cutting import ceiling
from telltale_query.selection import ROLLUPS, Range, Selection
from telltale_shared.store.tiers import DAY, TIERS, Tier

LOOKED_AT = 20_000
"""Buckets that are looked at, at most, where that is possible: with more, gaps are counted in wider ones."""


@with_config(ConfigDict(use_attribute_docstrings=True))
@dataclass(frozen=True, slots=True)
class Gaps:
    """Whole minutes, hours or days in which a series was silent."""

    resolution_seconds: int
    """60, 3600 or 86400: the finest for which at most 20,000 buckets have to be looked at."""
    missing: int
    """UTC buckets of that width without a reading, between the first and the last one of their series in the range.
    The range counts as rounded outwards to whole buckets."""
    series_with_gaps: int


async def find_gaps(connection: AsyncConnection, selection: Selection) -> Gaps | None:
    """The gaps in ``selection``; None where a filter looks at single readings."""
    if not selection.whole_buckets_count:
        return None
    closed = await closed_range(connection, selection)
    if closed is None:
        return Gaps(TIERS[0].seconds, 0, 0)
    tier = next((tier for tier in TIERS if _buckets(closed, tier) * len(selection.series) <= LOOKED_AT), DAY)
    wanted = selection.range
    rollup = ROLLUPS[tier]
    whole = Range(tier.bucket_of(wanted.start), ceiling(wanted.end, tier))
    rows = await connection.execute(
        select(func.count(), func.min(rollup.c.bucket), func.max(rollup.c.bucket))
        .where(*selection.by_key(rollup), *whole.holds(rollup.c.bucket))
        .group_by(rollup.c.series_id)
    )
    missing = [_between(first, last, tier) - count for count, first, last in rows] if selection.series else []
    return Gaps(tier.seconds, sum(missing), sum(n > 0 for n in missing))


def _buckets(wanted: Range, tier: Tier) -> int:
    return _between(wanted.start, wanted.end, tier)


def _between(first: datetime, last: datetime, tier: Tier) -> int:
    return (last - first) // timedelta(seconds=tier.seconds) + 1
