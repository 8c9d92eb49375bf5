"""What a question is about: its readings, and how far back they are still kept one by one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.aggregates import aggregate_by_series
from telltale_query.cutting import ceiling
from telltale_query.filters import ReadingQuery
from telltale_query.instants import FAR_FUTURE
from telltale_query.selection import Range, Selection, select_readings
from telltale_shared.errors import FieldError, InvalidRequest
from telltale_shared.instants import EPOCH
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.schema import rollups_minute
from telltale_shared.store.tiers import MINUTE

READ_SINGLY = 5_000_000
"""Readings that a filter by value or anomaly may have to look at."""
_LONG = timedelta(days=366)
_LATEST = datetime(2100, 1, 1)  # noqa: DTZ001 - naive UTC
"""Ranges that are longer or end later are looked at: the calendar of a thousand empty years is not to be made."""


@dataclass(frozen=True)
class Scope:
    """The readings that a question is about. Ends before the horizon are whole minutes."""

    selection: Selection
    horizon: datetime | None
    """Since when (naive UTC) readings are kept one by one; None: all are."""
    notes: tuple[str, ...] = ()
    """What a reader of the answer must know about it."""

    @property
    def keeps_readings(self) -> bool:
        """Whether all its readings are still there, and not only their rollups."""
        return self.horizon is None or self.selection.range.start >= self.horizon

    def noting(self, *notes: str) -> "Scope":
        """The same with more to know about it."""
        return replace(self, notes=(*self.notes, *notes))

    def over(self, wanted: Range) -> "Scope":
        """The same question about another range."""
        return _within_horizon(replace(self.selection, range=wanted), self.horizon)

    def before(self) -> "Scope | None":
        """The same question about the period of equal length before; None where the range is open."""
        wanted = self.selection.range
        if wanted.start == EPOCH or wanted.end == FAR_FUTURE:
            return None
        length = min(wanted.end - wanted.start, wanted.start - EPOCH)
        return self.over(Range(wanted.start - length, wanted.start))


async def find_scope(connection: AsyncConnection, query: ReadingQuery) -> Scope:
    """What ``query`` is about.

    Raises:
        InvalidRequest: a bad range, or too many readings to look at one by one.
    """
    horizon = await hold_horizon(connection)
    scope = _within_horizon(await select_readings(connection, query), horizon)
    await _refuse_too_many(connection, scope.selection)
    return scope


def _within_horizon(selection: Selection, horizon: datetime | None) -> Scope:
    wanted = selection.range
    if horizon is None or wanted.start >= horizon:
        return Scope(selection, horizon)
    if not selection.whole_buckets_count:
        return Scope(selection, horizon, (f"Filters by value or anomaly find readings since {_text(horizon)} only.",))
    end = ceiling(wanted.end, MINUTE) if wanted.end < horizon else wanted.end
    rounded = Range(MINUTE.bucket_of(wanted.start), end)
    if rounded == wanted:
        return Scope(selection, horizon)
    note = (
        f"Readings before {_text(horizon)} are kept per minute only: the range was rounded outwards to whole minutes."
    )
    return Scope(replace(selection, range=rounded), horizon, (note,))


def _text(at: datetime) -> str:
    return f"{at.isoformat(timespec='minutes')}Z"


async def _refuse_too_many(connection: AsyncConnection, selection: Selection) -> None:
    if selection.whole_buckets_count or selection.anomalous:
        return
    unfiltered = Selection(selection.series, selection.everything, selection.range)
    count = sum(one.count for one in (await aggregate_by_series(connection, unfiltered)).values())
    if count > READ_SINGLY:
        message = (
            f"must be shorter with this filter: it looks at single readings, at most {READ_SINGLY:,}, "
            f"and this range holds {count:,}"
        )
        raise InvalidRequest(f"the range {message}", errors=[FieldError(field="from", message=message)])


async def closed_range(connection: AsyncConnection, selection: Selection) -> Range | None:
    """The range of ``selection``; where it is open or very long, from the first to the last minute with readings.

    None where it is so and there are no readings.
    """
    wanted = selection.range
    if wanted.start > EPOCH and wanted.end < _LATEST and wanted.end - wanted.start <= _LONG:
        return wanted
    bucket = rollups_minute.c.bucket
    ends = (
        select(func.min(bucket).label("first"), func.max(bucket).label("last"))
        .where(*selection.by_key(rollups_minute), *Range(MINUTE.bucket_of(wanted.start), wanted.end).holds(bucket))
        .group_by(rollups_minute.c.series_id)
        .subquery()
    )
    first, last = (await connection.execute(select(func.min(ends.c.first), func.max(ends.c.last)))).one()
    if first is None:
        return None
    return Range(max(wanted.start, first), min(wanted.end, last + timedelta(minutes=1)))
