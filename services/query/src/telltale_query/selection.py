"""Which readings a request is about: its filters, resolved to series and a range of time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Table, exists, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.filters import RangeQuery, ReadingQuery, SeriesQuery
from telltale_query.instants import FAR_FUTURE
from telltale_shared.errors import FieldError, InvalidRequest
from telltale_shared.instants import EPOCH, MICROSECOND
from telltale_shared.store.rollups import DAY, HOUR, MINUTE, Tier
from telltale_shared.store.schema import (
    anomalies,
    horizons,
    import_series,
    records,
    rollups_day,
    rollups_hour,
    rollups_minute,
    series,
)
from telltale_shared.store.series import Series

Conditions = list[ColumnElement[bool]]

ROLLUPS = {MINUTE: rollups_minute, HOUR: rollups_hour, DAY: rollups_day}

NAMED_SINGLY = 500
"""Series that are named one by one in a statement although none is left out."""

NOT_DISMISSED = or_(anomalies.c.verdict.is_(None), anomalies.c.verdict != "dismissed")


@dataclass(frozen=True)
class Range:
    """A half-open range of naive UTC instants; without bounds it holds every record there can be."""

    start: datetime = EPOCH
    end: datetime = FAR_FUTURE

    @classmethod
    def of(cls, query: RangeQuery) -> "Range":
        """The range that ``query`` asks for.

        Raises:
            InvalidRequest: it ends before it starts.
        """
        made = cls(query.start or EPOCH, query.end or FAR_FUTURE)
        if made.end <= made.start:
            message = "must lie after `from`"
            raise InvalidRequest(f"to {message}", errors=[FieldError(field="to", message=message)])
        return made

    def holds(self, column: ColumnElement[datetime]) -> Conditions:
        """That ``column`` lies in the range; a bound that says nothing is left out."""
        conditions: Conditions = []
        if self.start > EPOCH:
            conditions.append(column >= self.start)
        if self.end < FAR_FUTURE:
            conditions.append(column < self.end)
        return conditions


@dataclass(frozen=True)
class Selection:
    """The readings that a request is about."""

    series: tuple[Series, ...]
    """Those chosen, by source and category."""
    everything: bool
    """Whether no series is left out."""
    range: Range
    min_value: float | None = None
    max_value: float | None = None
    anomalous: bool | None = None
    import_id: int | None = None

    @property
    def sifts(self) -> bool:
        """Whether many readings of the series may have to be looked at to find one."""
        return self.min_value is not None or self.max_value is not None or self.import_id is not None

    @property
    def whole_buckets_count(self) -> bool:
        """Whether rollups can answer: no filter looks at single readings."""
        return not self.sifts and self.anomalous is None

    def of_one(self, one: Series) -> "Selection":
        """What of this belongs to the series ``one``."""
        return replace(self, series=(one,), everything=False)

    def admits(self, record: Row[*tuple[Any, ...]]) -> bool:
        """Whether ``record`` passes the filters by what it holds itself."""
        return (
            (self.min_value is None or record.value >= self.min_value)
            and (self.max_value is None or record.value <= self.max_value)
            and (self.import_id is None or record.import_id == self.import_id)
        )

    def overlaps(self, tier: Tier) -> Conditions:
        """That a bucket of ``tier`` has a part in the range."""
        bucket, width = ROLLUPS[tier].c.bucket, timedelta(seconds=tier.seconds)
        conditions: Conditions = []
        if self.range.start > EPOCH:
            conditions.append(bucket > self.range.start - width)
        if self.range.end < FAR_FUTURE:
            conditions.append(bucket < self.range.end)
        return conditions

    def may_hold(self, rollup: Table) -> Conditions:
        """That a bucket, by its extremes, may hold a reading that passes the filter by value."""
        conditions: Conditions = [rollup.c.count > 0]
        if self.min_value is not None:
            conditions.append(rollup.c.maximum >= self.min_value)
        if self.max_value is not None:
            conditions.append(rollup.c.minimum <= self.max_value)
        return conditions

    def of_series(self, table: Table | FromClause) -> Conditions:
        """That a row of ``table`` belongs to a chosen series."""
        return [] if self.everything else [table.c.series_id.in_([one.id for one in self.series])]

    def source(self) -> FromClause:
        """What to select records from. Only anomalous ones are found through their anomalies, which are few."""
        if not self.anomalous:
            return records
        unusual = (
            select(anomalies.c.series_id, anomalies.c.observed_at)
            .where(NOT_DISMISSED, *self.of_series(anomalies), *self.range.holds(anomalies.c.observed_at))
            .distinct()
            .subquery("unusual")
        )
        same = (records.c.series_id == unusual.c.series_id) & (records.c.observed_at == unusual.c.observed_at)
        return unusual.join(records, same)

    def of_values(self) -> Conditions:
        """That a record passes the filters that look at single readings."""
        conditions: Conditions = []
        if self.min_value is not None:
            conditions.append(records.c.value >= self.min_value)
        if self.max_value is not None:
            conditions.append(records.c.value <= self.max_value)
        if self.import_id is not None:
            conditions.append(records.c.import_id == self.import_id)
        if self.anomalous is False:
            judged = (anomalies.c.series_id == records.c.series_id) & (anomalies.c.observed_at == records.c.observed_at)
            conditions.append(~exists(select(anomalies.c.id).where(judged, NOT_DISMISSED)))
        return conditions

    def along_key(self) -> Conditions:
        """That a record belongs to a chosen series, said so that each is read by its own part of the clustered key.

        Without it the database reads a range of time through the index on time, which takes three times as long, or
        whole series when it joins them.
        """
        return self.by_key(records)

    def by_key(self, table: Table) -> Conditions:
        """That a row of ``table``, whose clustered key is (series, time), belongs to a chosen series, said likewise."""
        if self.everything and len(self.series) > NAMED_SINGLY:
            return []
        return [self._named(table)]

    def _named(self, table: Table) -> ColumnElement[bool]:
        """That a row of ``table`` belongs to a series whose number stands in the text of the statement.

        As a parameter each takes some µs, and analytics name hundreds of them in each of six SELECTs. As a Boolean it
        would be compared with 1, and no index be used.
        """
        ids = ",".join(str(one.id) for one in self.series)
        return literal_column(f"({table.name}.series_id IN ({ids or 'NULL'}))")

    def along_time(self) -> Conditions:
        """All that a record must be, said so that it can be read in the order of time."""
        return [*self.of_series(records), *self.range.holds(records.c.observed_at), *self.of_values()]

    def conditions(self) -> Conditions:
        """All that a record must be, where the order of reading does not matter."""
        return [*self.along_key(), *self.range.holds(records.c.observed_at), *self.of_values()]


_COLUMNS = (series.c.id, series.c.source, series.c.category, series.c.unit, series.c.origin)


async def find_series(connection: AsyncConnection, query: SeriesQuery) -> tuple[Series, ...]:
    """The series that ``query`` asks for, by source and category."""
    statement = select(*_COLUMNS).order_by(series.c.source, series.c.category)
    if query.source:
        statement = statement.where(series.c.source.in_(query.source))
    if query.category:
        statement = statement.where(series.c.category.in_(query.category))
    return tuple(Series(*row) for row in await connection.execute(statement))


async def series_by_id(connection: AsyncConnection, ids: Iterable[int]) -> list[Series]:
    """The series with these ids."""
    statement = select(*_COLUMNS).where(series.c.id.in_(list(ids)))
    return [Series(*row) for row in await connection.execute(statement)]


async def select_readings(connection: AsyncConnection, query: ReadingQuery) -> Selection:
    """The readings that ``query`` asks for.

    Raises:
        InvalidRequest: its range ends before it starts.
    """
    selection = Selection(
        series=await find_series(connection, query),
        everything=not query.source and not query.category,
        range=Range.of(query),
        min_value=query.min_value,
        max_value=query.max_value,
        anomalous=query.anomalous,
        import_id=query.import_id,
    )
    return selection if query.import_id is None else await _imported(connection, selection)


async def _imported(connection: AsyncConnection, selection: Selection) -> Selection:
    """``selection`` with the series and the range of its import: no index leads to the records of an import."""
    touched = (
        await connection.execute(
            select(
                import_series.c.series_id,
                func.min(import_series.c.first_at).label("first"),
                func.max(import_series.c.last_at).label("last"),
            )
            .where(import_series.c.import_id == selection.import_id, import_series.c.series_id.is_not(None))
            .group_by(import_series.c.series_id)
        )
    ).all()
    ids = {row.series_id for row in touched}
    chosen = tuple(one for one in selection.series if one.id in ids)
    if not chosen:
        return replace(selection, series=(), everything=False)
    start = min(row.first for row in touched)
    end = max(row.last for row in touched) + MICROSECOND
    return within(replace(selection, series=chosen, everything=False), Range(start, end))


def within(selection: Selection, limits: Range) -> Selection:
    """What of ``selection`` lies within ``limits``."""
    start, end = max(selection.range.start, limits.start), min(selection.range.end, limits.end)
    if start >= end:
        return replace(selection, series=(), everything=False)
    return replace(selection, range=Range(start, end))


async def stored_since(connection: AsyncConnection) -> datetime:
    """From when on records are kept. Rollups go back further, where retention has dropped the records under them."""
    statement = select(horizons.c.rows_from).where(horizons.c.table_name == records.name)
    return (await connection.execute(statement)).scalar() or EPOCH
