"""How many records a list has, without reading them: exactly where that is cheap, else at least so many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Integer, Select, and_, case, func, literal_column, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.cutting import cut
from telltale_query.paging import Total
from telltale_query.records.parts import Budget
from telltale_query.records.spans import Narrowing, Span, among
from telltale_query.records.walk import BudgetSpent, Walk
from telltale_query.selection import NAMED_SINGLY, NOT_DISMISSED, ROLLUPS, Range, Selection
from telltale_query.unprepared import execute_unprepared
from telltale_shared.store.rollups import DAY, HOUR, MINUTE, Tier
from telltale_shared.store.schema import anomalies, records

LOOKED_AT = 25_000
"""Rows of rollups and records that a count looks at, at most."""
ANOMALIES_COUNTED = 2_000
"""Anomalous records that are counted one by one at most."""
SPANS_AT_MOST = 1_000
"""Buckets that one statement names; of more, the whole tier is read."""


async def count_cheaply(connection: AsyncConnection, selection: Selection, *, effort: float = 1.0) -> Total:
    """How many records ``selection`` has.

    Exact with any filter by series and time. With others, what lies beyond a bounded effort is counted by what rollups
    know for certain: that is the "at least".

    Args:
        connection: to read with.
        selection: which records.
        effort: times the usual one.
    """
    if not selection.series:
        return Total(0)
    if selection.whole_buckets_count:
        return Total(await _count_whole(connection, selection))
    if selection.anomalous:
        return await _count_anomalous(connection, selection, int(ANOMALIES_COUNTED * effort))
    if selection.anomalous is False:
        return await _count_inconspicuous(connection, selection, effort)
    budget = Budget(LOOKED_AT * effort)
    if selection.import_id is not None:
        return await _count_along(connection, selection, budget)
    return await _count_by_value(connection, selection, budget)


async def count_up_to(connection: AsyncConnection, selection: Selection, limit: int) -> int:
    """How many records ``selection`` has, counted one by one up to ``limit``, however long it takes."""
    some = select(records.c.series_id).select_from(selection.source()).where(*selection.conditions()).limit(limit)
    counted: int = (await connection.execute(select(func.count()).select_from(some.subquery()))).scalar_one()
    return counted


async def _count_whole(connection: AsyncConnection, selection: Selection) -> int:
    parts = [_count_piece(selection, tier, part) for tier, parts in cut(selection.range).items() for part in parts]
    counted = union_all(*parts).subquery()
    return int((await connection.execute(select(func.coalesce(func.sum(counted.c.n), 0)))).scalar_one())


def _count_piece(selection: Selection, tier: Tier | None, part: Range) -> Select[int]:
    if tier is not None:
        rollup = ROLLUPS[tier]
        statement = select(func.coalesce(func.sum(rollup.c.count), 0).label("n")).where(*part.holds(rollup.c.bucket))
        if tier is DAY or len(selection.series) > NAMED_SINGLY:
            return statement.where(*selection.of_series(rollup))
        # Along the clustered key of each series: the index on time leads to every row by a search of its own.
        named = rollup.c.series_id.in_([one.id for one in selection.series])
        return statement.with_hint(rollup, "FORCE INDEX (PRIMARY)").where(named)
    statement = select(func.count().label("n")).select_from(records).where(*part.holds(records.c.observed_at))
    if selection.everything:
        # Less than a minute, and all that is counted stands in the index.
        return statement.with_hint(records, "FORCE INDEX (observed_at)")
    return statement.with_hint(records, "FORCE INDEX (PRIMARY)").where(*selection.of_series(records))


async def _count_anomalous(connection: AsyncConnection, selection: Selection, limit: int) -> Total:
    """One by one, each record once, and only where its anomaly has not outlived it."""
    judged = (records.c.series_id == anomalies.c.series_id) & (records.c.observed_at == anomalies.c.observed_at)
    of_values = replace(selection, anomalous=None).of_values()
    index = "observed_at" if selection.everything and selection.range != Range() else "identity"
    some = (
        select(anomalies.c.series_id, anomalies.c.observed_at)
        .prefix_with("STRAIGHT_JOIN")
        .distinct()
        .with_hint(anomalies, f"FORCE INDEX ({index})")
        .select_from(anomalies.join(records, judged))
        .where(NOT_DISMISSED, *selection.of_series(anomalies), *selection.range.holds(anomalies.c.observed_at))
        .where(*of_values)
        .limit(limit + 1)
    )
    counted: int = (await connection.execute(select(func.count()).select_from(some.subquery()))).scalar_one()
    return Total(min(counted, limit), exact=counted <= limit)


async def _count_inconspicuous(connection: AsyncConnection, selection: Selection, effort: float) -> Total:
    """All, less the anomalous ones."""
    everything = await count_cheaply(connection, replace(selection, anomalous=None), effort=effort)
    anomalous = await count_cheaply(connection, replace(selection, anomalous=True), effort=effort)
    if anomalous.exact:
        return Total(max(0, everything.count - anomalous.count), exact=everything.exact)
    at = anomalies.c.observed_at
    statement = select(func.count()).select_from(anomalies)
    at_most: int = (
        await connection.execute(statement.where(*selection.of_series(anomalies), *selection.range.holds(at)))
    ).scalar_one()
    return Total(max(0, everything.count - at_most), exact=False)


async def _count_along(connection: AsyncConnection, selection: Selection, budget: Budget) -> Total:
    """By reading records along time for as long as the budget lasts."""
    counted = 0
    try:
        async for spans in Walk(connection, selection, descending=True, budget=budget).stretches():
            counted += await _count_in(connection, selection, spans)
    except BudgetSpent:
        return Total(counted, exact=False)
    return Total(counted)


async def _count_in(connection: AsyncConnection, selection: Selection, spans: Sequence[Span]) -> int:
    statement = among(spans, records, "observed_at")(select(func.count()).select_from(records))
    statement = statement.where(*selection.of_values())
    return int((await execute_unprepared(connection, statement)).scalar_one())


@dataclass(frozen=True)
class _Figures:
    """What one tier says of some buckets."""

    inside: int
    """Records in buckets all of whose values pass the filter."""
    certain: int
    """Records in the others that certainly pass: those with an extreme value."""
    open: int
    """How many others there are."""


async def _count_by_value(connection: AsyncConnection, selection: Selection, budget: Budget) -> Total:
    """Buckets that pass whole are counted whole; the others are looked into, from days down to records."""
    inside = 0
    narrowing = _of_series(selection, DAY)
    everywhere = True
    rows = await _count_buckets(connection, selection)
    for tier, finer in ((DAY, HOUR), (HOUR, MINUTE), (MINUTE, None)):
        budget.spend(rows)
        figures = await _figures(connection, selection, tier, narrowing)
        at_least = inside + figures.inside + figures.certain
        if not figures.open:
            return Total(inside + figures.inside)
        if finer is None:
            break
        cells = tier.seconds // finer.seconds
        if figures.open <= SPANS_AT_MOST and budget.allows(figures.open * cells):
            spans = await _open_buckets(connection, selection, tier, narrowing)
            inside, everywhere = inside + figures.inside, False
            opened = [Span(s.series_id, finer.bucket_of(s.start), s.end, s.count) for s in spans]
            narrowing, rows = among(opened, ROLLUPS[finer], "bucket"), figures.open * cells
        elif everywhere and budget.allows(rows * cells):
            narrowing, rows = _of_series(selection, finer), rows * cells
        else:
            return Total(at_least, exact=False)
    if figures.open > SPANS_AT_MOST:
        return Total(at_least, exact=False)
    spans = await _open_buckets(connection, selection, MINUTE, narrowing)
    if not budget.allows(sum(span.count for span in spans)):
        return Total(at_least, exact=False)
    return Total(inside + figures.inside + (await _count_in(connection, selection, spans) if spans else 0))


def _of_series(selection: Selection, tier: Tier) -> Narrowing:
    return lambda statement: statement.where(*selection.of_series(ROLLUPS[tier]))


async def _count_buckets(connection: AsyncConnection, selection: Selection) -> int:
    rollup = ROLLUPS[DAY]
    statement = select(func.count()).select_from(rollup)
    statement = statement.where(*selection.of_series(rollup), *selection.overlaps(DAY))
    return int((await connection.execute(statement)).scalar_one())


class _Filter:
    """A filter by value and range as a bucket of one tier sees it."""

    def __init__(self, selection: Selection, tier: Tier) -> None:
        self.rollup = ROLLUPS[tier]
        low, high, wanted = selection.min_value, selection.max_value, selection.range
        bucket = self.rollup.c.bucket
        minimum, maximum = self.rollup.c.minimum, self.rollup.c.maximum
        self.whole = and_(bucket >= wanted.start, bucket <= wanted.end - timedelta(seconds=tier.seconds))
        self.low_passes = and_(*([] if low is None else [minimum >= low]), *([] if high is None else [minimum <= high]))
        self.high_passes = and_(
            *([] if low is None else [maximum >= low]), *([] if high is None else [maximum <= high])
        )
        self.inside = and_(self.whole, self.low_passes, self.high_passes)


async def _figures(connection: AsyncConnection, selection: Selection, tier: Tier, narrowing: Narrowing) -> _Figures:
    view = _Filter(selection, tier)
    rollup = view.rollup
    none = literal_column("0", Integer)
    one = literal_column("1", Integer)
    certain = case(
        (or_(view.inside, ~view.whole), none),
        (or_(view.low_passes, view.high_passes), one),
        else_=none,
    )
    statement = select(
        func.coalesce(func.sum(case((view.inside, rollup.c.count), else_=none)), 0),
        func.coalesce(func.sum(certain), 0),
        func.coalesce(func.sum(case((view.inside, none), else_=one)), 0),
    ).where(*selection.overlaps(tier), *selection.may_hold(rollup))
    row = (await execute_unprepared(connection, narrowing(statement))).one()
    return _Figures(*(int(figure) for figure in row))


async def _open_buckets(
    connection: AsyncConnection, selection: Selection, tier: Tier, narrowing: Narrowing
) -> list[Span]:
    view = _Filter(selection, tier)
    rollup, wanted, width = view.rollup, selection.range, timedelta(seconds=tier.seconds)
    statement = select(rollup.c.series_id, rollup.c.bucket, rollup.c.count.label("n")).where(
        *selection.overlaps(tier), *selection.may_hold(rollup), ~view.inside
    )
    return [
        Span(row.series_id, max(row.bucket, wanted.start), min(row.bucket + width, wanted.end), row.n)
        for row in await execute_unprepared(connection, narrowing(statement))
    ]
