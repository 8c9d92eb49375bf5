"""A walk along time that skips what cannot hold a record of a selection.

Rollups know the lowest and the highest value of every day, hour and minute of a series: where a filter by value lies
outside of these, no record needs to be looked at. The walk goes down from days to hours to minutes, only where it must,
and no further along than its reader asks it to.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.records.parts import Budget
from telltale_query.records.spans import Narrowing, Span, among
from telltale_query.selection import ROLLUPS, Conditions, Selection
from telltale_query.unprepared import execute_unprepared
from telltale_shared.store.rollups import DAY, HOUR, MINUTE, Tier

SPANS_AT_ONCE = 200
"""Days of series that are looked into together, unless one day alone has more series."""
CELLS_FIRST, CELLS_AT_ONCE = 250, 3_000
"""Rollup rows in one read: few at first, since the next records are often enough."""
RECORDS_AT_ONCE = 2_000
"""Records in one read, unless one minute alone holds more."""


class BudgetSpent(Exception):
    """The walk may go no further; what lies on the near side of ``reached`` is done."""

    def __init__(self, reached: datetime) -> None:
        super().__init__(f"at {reached}")
        self.reached = reached


class Walk:
    """One walk.

    Args:
        connection: to read with.
        selection: what is looked for: which series, range and values.
        descending: whether it goes back in time.
        budget: what it may look at. It ends with :class:`BudgetSpent`, but never where it began.
    """

    def __init__(self, connection: AsyncConnection, selection: Selection, *, descending: bool, budget: Budget) -> None:
        self._connection = connection
        self._selection = selection
        self._descending = descending
        self._budget = budget
        self._began: datetime | None = None

    async def stretches(self) -> AsyncGenerator[list[Span], None]:
        """Minutes of series that may hold records of the selection; each list lies beyond the one before it."""
        async for days in self._days():
            async for spans in self._descend(days, DAY, (HOUR, MINUTE)):
                yield spans

    async def _days(self) -> AsyncIterator[list[Span]]:
        rollup = ROLLUPS[DAY]
        statement = select(rollup.c.bucket, func.count().label("n")).where(*self._conditions(DAY))
        counted = (await self._connection.execute(statement.group_by(rollup.c.bucket))).all()
        self._budget.spend(sum(row.n for row in counted))
        together: list[datetime] = []
        spans = 0
        for row in sorted(counted, key=lambda row: row.bucket, reverse=self._descending):
            if together and spans + row.n > SPANS_AT_ONCE:
                yield await self._days_of(together)
                together, spans = [], 0
            together.append(row.bucket)
            spans += row.n
        if together:
            yield await self._days_of(together)

    async def _days_of(self, days: list[datetime]) -> list[Span]:
        bucket = ROLLUPS[DAY].c.bucket
        return await self._read(DAY, [*self._conditions(DAY), bucket >= min(days), bucket <= max(days)])

    def _conditions(self, tier: Tier) -> Conditions:
        rollup = ROLLUPS[tier]
        return [*self._selection.of_series(rollup), *self._selection.overlaps(tier), *self._selection.may_hold(rollup)]

    async def _read(self, tier: Tier, conditions: Conditions, narrowing: Narrowing | None = None) -> list[Span]:
        rollup = ROLLUPS[tier]
        statement = select(rollup.c.series_id, rollup.c.bucket, rollup.c.count.label("n")).where(*conditions)
        if narrowing is not None:
            statement = narrowing(statement)
        width, wanted = timedelta(seconds=tier.seconds), self._selection.range
        spans = [
            Span(row.series_id, max(row.bucket, wanted.start), min(row.bucket + width, wanted.end), row.n)
            for row in await execute_unprepared(self._connection, statement)
        ]
        return sorted(spans, key=lambda span: tier.bucket_of(span.start), reverse=self._descending)

    async def _descend(self, parents: Sequence[Span], parent: Tier, finer: Sequence[Tier]) -> AsyncIterator[list[Span]]:
        tier, *rest = finer
        for part in self._parts(parents, parent, tier):
            self._note(part, sum(_cells(span, tier) for span in part))
            rollup = ROLLUPS[tier]
            # The first bucket of a part that was cut at an end of the range begins before it.
            opened = [Span(s.series_id, tier.bucket_of(s.start), s.end, s.count) for s in part]
            children = await self._read(tier, self._selection.may_hold(rollup), among(opened, rollup, "bucket"))
            if rest:
                async for spans in self._descend(children, tier, rest):
                    yield spans
            else:
                for spans in _runs(children, tier):
                    self._note(spans, sum(span.count for span in spans))
                    yield spans

    def _note(self, spans: Sequence[Span], rows: int) -> None:
        """Note that ``rows`` are looked at in ``spans`` now, and all before them is done."""
        reached = max(span.end for span in spans) if self._descending else min(span.start for span in spans)
        if self._began is None:
            self._began = reached
        if self._budget.spent and reached != self._began:
            raise BudgetSpent(reached)
        self._budget.spend(rows)

    def _parts(self, parents: Sequence[Span], parent: Tier, tier: Tier) -> Iterator[list[Span]]:
        """Cut ``parents`` along time so that each part has few rollup rows of ``tier``, more of them each time."""
        allowed = CELLS_FIRST
        gathered: list[Span] = []
        size = 0
        for slot in _slots(parents, parent):
            cells = sum(_cells(span, tier) for span in slot)
            if gathered and size + cells > allowed:
                yield gathered
                gathered, size, allowed = [], 0, _more(allowed)
            if cells <= allowed:
                gathered, size = gathered + slot, size + cells
                continue
            yield from self._windows(slot, tier, allowed)
            allowed = CELLS_AT_ONCE
        if gathered:
            yield gathered

    def _windows(self, slot: Sequence[Span], tier: Tier, allowed: int) -> Iterator[list[Span]]:
        width = timedelta(seconds=tier.seconds)
        start, end = min(span.start for span in slot), max(span.end for span in slot)
        while start < end:
            step = max(1, allowed // len(slot)) * width
            if self._descending:
                edge = max(start, tier.bucket_of(end - timedelta(microseconds=1)) + width - step)
                yield list(_clipped(slot, edge, end))
                end = edge
            else:
                edge = min(end, tier.bucket_of(start) + step)
                yield list(_clipped(slot, start, edge))
                start = edge
            allowed = _more(allowed)


def _more(allowed: int) -> int:
    return min(4 * allowed, CELLS_AT_ONCE)


def _cells(span: Span, tier: Tier) -> int:
    """How many buckets of ``tier`` lie in ``span``, at most."""
    return (span.end - span.start) // timedelta(seconds=tier.seconds) + 1


def _clipped(spans: Iterable[Span], start: datetime, end: datetime) -> Iterator[Span]:
    for span in spans:
        if span.start < end and span.end > start:
            yield Span(span.series_id, max(span.start, start), min(span.end, end), span.count)


def _slots(spans: Sequence[Span], tier: Tier) -> Iterator[list[Span]]:
    """``spans``, which are in the order of time, bucket by bucket of ``tier``."""
    for _, slot in groupby(spans, key=lambda span: tier.bucket_of(span.start)):
        yield list(slot)


def _runs(spans: Sequence[Span], tier: Tier) -> Iterator[list[Span]]:
    """Whole buckets together, as long as they hold few records."""
    gathered: list[Span] = []
    size = 0
    for slot in _slots(spans, tier):
        held = sum(span.count for span in slot)
        if gathered and size + held > RECORDS_AT_ONCE:
            yield gathered
            gathered, size = [], 0
        gathered, size = gathered + slot, size + held
    if gathered:
        yield gathered
