"""Cutting time into what rollups answer, and the ragged rest that only the readings themselves do."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from telltale_query.selection import Range
from telltale_shared.store.tiers import TIERS, Tier

Cut = dict[Tier | None, list[Range]]
"""By tier of rollups, or None for the readings themselves: the ranges, in order, that are read from there."""


def cut(wanted: Range, tiers: Sequence[Tier] = TIERS) -> Cut:
    """Cut ``wanted`` so that as few rows as possible answer it exactly: the coarsest tier in its middle.

    Args:
        wanted: the whole range.
        tiers: those that may be read, finest first; each bucket of one is a whole number of buckets of the one before.
    """
    return cut_each([wanted], tiers)


def cut_each(wanted: Iterable[Range], tiers: Sequence[Tier] = TIERS) -> Cut:
    """Cut each of ``wanted`` (in order, none overlapping) by itself; what comes to lie side by side is one range."""
    found: Cut = {}
    for one in wanted:
        for tier, part in _pieces(one.start, one.end, None, tiers):
            ranges = found.setdefault(tier, [])
            if ranges and ranges[-1].end == part.start:
                ranges[-1] = Range(ranges[-1].start, part.end)
            else:
                ranges.append(part)
    return found


def _pieces(
    start: datetime, end: datetime, tier: Tier | None, coarser: Sequence[Tier]
) -> Iterator[tuple[Tier | None, Range]]:
    if start >= end:
        return
    if coarser:
        following, *rest = coarser
        inner_start, inner_end = ceiling(start, following), following.bucket_of(end)
        if inner_start < inner_end:
            yield from _pieces(start, inner_start, tier, ())
            yield from _pieces(inner_start, inner_end, following, rest)
            yield from _pieces(inner_end, end, tier, ())
            return
    yield tier, Range(start, end)


def ceiling(at: datetime, tier: Tier) -> datetime:
    """The first beginning of a bucket of ``tier`` at or after ``at``."""
    bucket = tier.bucket_of(at)
    return bucket if bucket == at else bucket + timedelta(seconds=tier.seconds)
