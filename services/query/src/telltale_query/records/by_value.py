"""Pages in the order of value, over any number of records.

Every bucket of a rollup holds a record with its highest value. So the n-th highest of these is no higher than the n-th
highest value of all, and a bucket that stays below it need not be looked at. What is left is a handful of buckets: they
are looked at day by day, then hour by hour, minute by minute, and only then record by record.

Among records of one value the list goes on by time. A bound is therefore a value with an instant; otherwise a series
that never changes, whose buckets all have the same highest value, would have to be read whole.

Further down the list a bucket may hold values from both sides of the page; then only its lowest one is known to be
ahead. The further down, the more buckets there are of which little is known: a page is refused where they hold too many
records to sort.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, and_, case, exists, func, literal_column, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.paging import beyond
from telltale_query.records.parts import COLUMNS, Budget, Part, Position, directed
from telltale_query.records.schemas import RecordSort
from telltale_query.records.spans import Span, among, read_spans
from telltale_query.selection import NOT_DISMISSED, ROLLUPS, Conditions, Selection
from telltale_query.unprepared import execute_unprepared
from telltale_shared.store.rollups import DAY, HOUR, MINUTE, Tier
from telltale_shared.store.schema import anomalies, records

READ_AT_ONCE = 5_000
"""So few records are sorted without looking for a closer bound."""
SPANS_AT_MOST = 3_000
"""Buckets that one statement names."""


class TooManyToSort(Exception):
    """The page cannot be bounded: about so many records would have to be sorted."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} records")
        self.count = count


@dataclass(frozen=True)
class _Bound:
    """There are as many records as are wanted up to a place."""

    place: Position
    reached: ColumnElement[bool]
    """That a bucket of the tier may hold one of them."""


async def read_by_value(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The next ``limit`` records by value; of those of one value, by time, then by series.

    Raises:
        TooManyToSort: nothing tells which few records to look at.
    """
    if selection.anomalous or selection.import_id is not None:
        # Extremes say nothing of the records of one import, nor of the anomalous ones.
        return await _read_all(connection, selection, sort, after, limit, budget)
    return await _read_reaching(connection, selection, sort, after, limit, budget)


async def _read_reaching(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    spans: Sequence[Span] = ()
    bound = None
    for tier in (DAY, HOUR, MINUTE):
        order = _Order(selection, sort, after, tier)
        closer = await _bound(connection, order, spans, limit)
        spans = await _reaching(connection, order, spans, closer)
        bound = closer or bound
        if sum(span.count for span in spans) <= READ_AT_ONCE or len(spans) > SPANS_AT_MOST:
            break
    if not spans:
        return Part([])
    count = sum(span.count for span in spans)
    if not budget.allows(count):
        raise TooManyToSort(count)
    columns = (records.c.value, records.c.observed_at, records.c.series_id)
    ahead: Conditions = []
    if after is not None:
        place = (after.value, after.observed_at, after.series_id)
        ahead = [beyond(columns, place, descending=sort.descending)]
    ordered = [directed(column, sort) for column in columns]
    rows = await read_spans(connection, selection, spans, beyond=ahead, order=ordered, limit=limit)
    # Fewer than the bound has promised: some were deleted meanwhile, and there may be more beyond it.
    return Part(rows, None if bound is None or len(rows) == limit else bound.place)


class _Order:
    """What the extremes of a bucket say, in one order and on one tier."""

    def __init__(self, selection: Selection, sort: RecordSort, after: Position | None, tier: Tier) -> None:
        self.selection, self.sort, self.after, self.tier = selection, sort, after, tier
        rollup = ROLLUPS[tier]
        self.rollup = rollup
        self.width = timedelta(seconds=tier.seconds)
        self.best, self.worst = (
            (rollup.c.maximum, rollup.c.minimum) if sort.descending else (rollup.c.minimum, rollup.c.maximum)
        )

    def _past(self, column: ColumnElement[Any], value: float) -> ColumnElement[bool]:
        """That ``column`` comes after ``value`` in this order."""
        return column < value if self.sort.descending else column > value

    def over(self, spans: Sequence[Span], *columns: ColumnElement[Any]) -> Select[Any]:
        """``columns`` of the buckets in ``spans`` (of all, where there are none yet) that may hold something ahead."""
        statement = select(*columns).where(*self.ahead())
        if not spans:
            return statement.where(*self.selection.of_series(self.rollup))
        # The first bucket of a span that was cut at an end of the range begins before it.
        opened = [Span(span.series_id, self.tier.bucket_of(span.start), span.end, span.count) for span in spans]
        return among(opened, self.rollup, "bucket")(statement)

    def known(self) -> ColumnElement[Any]:
        """A value that certainly stands ahead in the list in this bucket, the first such one; else null."""
        return case((self._is_ahead(self.best), self.best), (self._is_ahead(self.worst), self.worst))

    def _is_ahead(self, extreme: ColumnElement[Any]) -> ColumnElement[bool]:
        conditions: Conditions = []
        if self.selection.min_value is not None:
            conditions.append(extreme >= self.selection.min_value)
        if self.selection.max_value is not None:
            conditions.append(extreme <= self.selection.max_value)
        if self.after is not None:
            bucket, at = self.rollup.c.bucket, self.after.observed_at
            later = bucket <= at - self.width if self.sort.descending else bucket > at
            conditions.append(or_(self._past(extreme, self.after.value), and_(extreme == self.after.value, later)))
        if self.selection.anomalous is False:
            conditions.append(self._holds_no_anomaly())
        return and_(true(), *conditions)

    def _holds_no_anomaly(self) -> ColumnElement[bool]:
        rollup = self.rollup
        following: ColumnElement[datetime] = literal_column(
            f"{rollup.name}.bucket + INTERVAL {self.tier.seconds:d} SECOND"
        )
        within_bucket = (anomalies.c.observed_at >= rollup.c.bucket) & (anomalies.c.observed_at < following)
        own = anomalies.c.series_id == rollup.c.series_id
        return ~exists(select(anomalies.c.id).where(own, within_bucket, NOT_DISMISSED))

    def whole(self) -> Conditions:
        """That all of the bucket lies in the range."""
        bucket, wanted = self.rollup.c.bucket, self.selection.range
        return [bucket >= wanted.start, bucket <= wanted.end - self.width]

    def ahead(self) -> Conditions:
        """That the bucket may hold something ahead."""
        conditions = [*self.selection.overlaps(self.tier), *self.selection.may_hold(self.rollup)]
        if self.after is not None:
            bucket, at = self.rollup.c.bucket, self.after.observed_at
            later = bucket <= at if self.sort.descending else bucket > at - self.width
            conditions.append(
                or_(self._past(self.worst, self.after.value), and_(self.worst == self.after.value, later))
            )
        return conditions

    def reaches(self, value: float, bucket: Any) -> ColumnElement[bool]:
        """That the bucket may hold something that stands no later than the record which the bound promises."""
        mine = self.rollup.c.bucket
        if self.sort.descending:
            return or_(self.best > value, and_(self.best == value, mine >= bucket))
        return or_(self.best < value, and_(self.best == value, mine <= bucket))


async def _bound(connection: AsyncConnection, order: _Order, spans: Sequence[Span], count: int) -> _Bound | None:
    """What ``count`` records reach at least; None where there are not so many that are known."""
    known, bucket = order.known().label("known"), order.rollup.c.bucket
    statement = (
        order.over(spans, known, bucket)
        .where(*order.whole())
        .having(literal_column("known IS NOT NULL", Boolean))
        .order_by(directed(known, order.sort), directed(bucket, order.sort))
        .limit(1)
        .offset(count - 1)
    )
    row = (await execute_unprepared(connection, statement)).first()
    if row is None:
        return None
    sort, value = order.sort, float(row.known)
    # Everything has been read that stands before the end of that bucket, as seen in this order.
    if sort.descending:
        position = Position(sort, 0, row.bucket, value)
    else:
        position = Position(sort, 0, row.bucket + order.width, value)
    return _Bound(position, order.reaches(value, row.bucket))


async def _reaching(
    connection: AsyncConnection, order: _Order, spans: Sequence[Span], bound: _Bound | None
) -> list[Span]:
    """The buckets that may hold something no later than ``bound``."""
    rollup, wanted = order.rollup, order.selection.range
    statement = order.over(spans, rollup.c.series_id, rollup.c.bucket, rollup.c.count.label("n"))
    if bound is not None:
        statement = statement.where(bound.reached)
    return [
        Span(row.series_id, max(row.bucket, wanted.start), min(row.bucket + order.width, wanted.end), row.n)
        for row in await execute_unprepared(connection, statement)
    ]


async def _read_all(
    connection: AsyncConnection,
    selection: Selection,
    sort: RecordSort,
    after: Position | None,
    limit: int,
    budget: Budget,
) -> Part:
    """The database sorts all that match."""
    count = await _count_to_sort(connection, selection)
    if not budget.allows(count):
        raise TooManyToSort(count)
    columns = (records.c.value, records.c.observed_at, records.c.series_id)
    statement = (
        select(*COLUMNS)
        .prefix_with("STRAIGHT_JOIN")
        .select_from(selection.source())
        .where(*selection.conditions())
        .order_by(*(directed(column, sort) for column in columns))
        .limit(limit)
    )
    if after is not None:
        place = (after.value, after.observed_at, after.series_id)
        statement = statement.where(beyond(columns, place, descending=sort.descending))
    return Part((await connection.execute(statement)).all())


async def _count_to_sort(connection: AsyncConnection, selection: Selection) -> int:
    """How many records have to be looked at, at most."""
    if selection.anomalous:
        at = anomalies.c.observed_at
        statement = select(func.count()).where(*selection.of_series(anomalies), *selection.range.holds(at))
    else:
        rollup = ROLLUPS[DAY]
        statement = select(func.coalesce(func.sum(rollup.c.count), 0))
        statement = statement.where(*selection.of_series(rollup), *selection.overlaps(DAY))
    return int((await connection.execute(statement)).scalar_one())
