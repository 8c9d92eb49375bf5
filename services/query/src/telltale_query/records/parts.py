"""What reading a list gives: rows in its order, and the place up to which it was searched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Row

from telltale_query.instants import FAR_FUTURE
from telltale_query.paging import RowId
from telltale_query.records.schemas import RecordSort
from telltale_query.selection import Range, Selection
from telltale_shared.instants import MICROSECOND
from telltale_shared.store.schema import records

Rows = Sequence[Row[*tuple[Any, ...]]]

COLUMNS = (records.c.series_id, records.c.observed_at, records.c.value, records.c.import_id, records.c.note)

LAST_SERIES = 2**32 - 1
"""No series has a larger id."""
NO_TIME = timedelta(0)


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of records: what a cursor holds. There need not be a record at it (any more)."""

    sort: RecordSort
    series_id: RowId
    observed_at: Annotated[datetime, msgspec.Meta(tz=False)]
    value: float


@dataclass(frozen=True)
class Part:
    """What was read of a list."""

    rows: Rows
    stopped: Position | None = None
    """Where the search was broken off; None where it went on until there was enough, or to the end of the list."""


class Budget:
    """How many rows one request may still look at, of records and of rollups alike."""

    def __init__(self, rows: float) -> None:
        self._left = rows

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._left <= 0

    def allows(self, rows: int) -> bool:
        """Whether ``rows`` more may be looked at."""
        return rows <= self._left

    def spend(self, rows: int) -> None:
        """Note that ``rows`` are looked at."""
        self._left -= rows


def directed(column: ColumnElement[Any], sort: RecordSort) -> ColumnElement[Any]:
    """``column`` in the direction of ``sort``, to order by."""
    return column.desc() if sort.descending else column.asc()


def beyond_instant(sort: RecordSort, at: datetime) -> Position:
    """The place in the order of time before which everything has been read on the near side of ``at``.

    ``at`` itself is on the near side when the list goes back in time, and on the far side otherwise.
    """
    if sort.descending:
        return Position(sort, 0, at, 0.0)
    return Position(sort, LAST_SERIES, at - MICROSECOND, 0.0)


def remaining(selection: Selection, sort: RecordSort, after: Position | None) -> Range:
    """The part of the range in which a list in the order of time goes on after ``after``."""
    wanted = selection.range
    if after is None:
        return wanted
    # Among records of one instant the list goes on by series: only where one is left, that instant is read again.
    ids = [one.id for one in selection.series]
    if sort.descending:
        again = MICROSECOND if min(ids) < after.series_id and after.observed_at < FAR_FUTURE else NO_TIME
        return Range(wanted.start, min(wanted.end, after.observed_at + again))
    again = NO_TIME if max(ids) > after.series_id else MICROSECOND
    return Range(max(wanted.start, after.observed_at + again), wanted.end)
