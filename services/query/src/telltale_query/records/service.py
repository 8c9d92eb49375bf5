"""What is decided about records: how far a list is counted and sorted, and what a person may store and change."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telltale_query.changing import change_once
from telltale_query.filters import ReadingQuery
from telltale_query.instants import FAR_FUTURE, outside
from telltale_query.paging import Page, Total, Window, bad_cursor
from telltale_query.records.by_value import TooManyToSort
from telltale_query.records.counting import count_cheaply, count_up_to
from telltale_query.records.parts import Budget, Position
from telltale_query.records.repository import Revision, read_last_change, read_record, read_within
from telltale_query.records.schemas import NewRecord, Record, RecordChange, RecordKey, RecordQuery, SortedQuery, key_of
from telltale_query.selection import Range, Selection, select_readings, stored_since, within
from telltale_shared.database import in_transaction
from telltale_shared.errors import Conflict, FieldError, Gone, InvalidRequest, NotFound, PreconditionFailed
from telltale_shared.instants import EPOCH, MICROSECOND, microseconds
from telltale_shared.store import edits
from telltale_shared.store.audit import Actor, has_audit
from telltale_shared.validation import Rejected, TimeBounds, check_series, check_time, check_value

SORTED_AT_MOST = 2_000_000
"""Records that the database may have to sort for one export by value."""
LOOKED_AT = 120_000
"""Rows that one page may look at: some 200 ms on a small machine."""
SORTED_ON_A_PAGE = 1_000_000
"""The same for a page by value, which cannot be broken off."""

EARLIEST = EPOCH - MICROSECOND
"""Before it no list goes on."""

Result = TypeVar("Result")

_FIELDS = {"bad_source": "source", "bad_category": "category", "bad_unit": "unit"}


def etag_of(version: edits.RecordVersion) -> str:
    """How a version of a record is called in HTTP: its revision, and the import that stored it."""
    return f'"{version.revision}"' if version.import_id is None else f'"{version.revision}-{version.import_id}"'


async def list_records(connection: AsyncConnection, query: RecordQuery) -> Page[Record]:
    """One page, and how many records there are on all pages.

    Raises:
        InvalidRequest: a bad range or cursor, or a page by value that would have too many records sorted.
    """
    window = Window.of(query.limit, query.cursor, Position)
    key = window.key
    if key is not None and (key.sort != query.sort or not EARLIEST <= key.observed_at <= FAR_FUTURE):
        raise bad_cursor()
    selection = await select_stored(connection, query)
    budget = Budget(SORTED_ON_A_PAGE if query.sort.column == "value" else LOOKED_AT)
    direction = query.sort.reversed if window.back else query.sort
    try:
        found, stopped = await read_within(
            connection, selection, direction, after=key, limit=window.fetch, budget=budget
        )
    except TooManyToSort as error:
        raise _too_many_to_sort(error.count) from error
    if key is None and stopped is None and len(found) <= window.limit:
        total = Total(len(found))
    else:
        total = await count_cheaply(connection, selection)
    searched_to = None if stopped is None else msgspec.structs.replace(stopped, sort=query.sort)
    return Page.cut(found, window, total, lambda record: position_of(query, record), searched_to=searched_to)


async def select_stored(connection: AsyncConnection, query: ReadingQuery) -> Selection:
    """The records that ``query`` asks for, as far back as they are kept.

    Raises:
        InvalidRequest: a bad range.
    """
    selection = await select_readings(connection, query)
    return within(selection, Range(start=await stored_since(connection)))


async def select_records(connection: AsyncConnection, query: SortedQuery) -> Selection:
    """The same, once it is sure that all of them can be read in the order of ``query``.

    Raises:
        InvalidRequest: a bad range, or too many records to sort by value.
    """
    selection = await select_stored(connection, query)
    if query.sort.column == "value" and not selection.anomalous:
        await _refuse_unbounded_sort(connection, selection)
    return selection


async def count_records(connection: AsyncConnection, selection: Selection, singly: int) -> Total:
    """How many records there are: exactly where that is cheap, else counted one by one up to ``singly``."""
    total = await count_cheaply(connection, selection)
    if total.exact or total.count > singly:
        return total
    counted = await count_up_to(connection, selection, singly + 1)
    return Total(min(counted, singly), exact=counted <= singly)


def position_of(query: SortedQuery, record: Record) -> Position:
    """Where the list ``query`` goes on after ``record``."""
    series_id, observed_at = _existing_key(record.id)
    return Position(query.sort, series_id, observed_at, record.value)


async def _refuse_unbounded_sort(connection: AsyncConnection, selection: Selection) -> None:
    unfiltered = Selection(selection.series, selection.everything, selection.range)
    count = (await count_cheaply(connection, unfiltered)).count
    if count > SORTED_AT_MOST:
        raise _too_many_to_sort(count, SORTED_AT_MOST)


def _too_many_to_sort(count: int, limit: int = SORTED_ON_A_PAGE) -> InvalidRequest:
    message = (
        f"by value would have {count:,} records sorted for this, and {limit:,} is the most: choose a shorter range, "
        "fewer series, or values closer to either end"
    )
    return InvalidRequest(f"sort {message}", errors=[FieldError(field="sort", message=message)])


def _existing_key(record_id: str) -> RecordKey:
    key = key_of(record_id)
    if key is None:
        raise _no_record()
    return key


def _no_record() -> NotFound:
    return NotFound("there is no such record: it may have been deleted")


async def get_record(connection: AsyncConnection, record_id: str) -> tuple[Record, Revision]:
    """One record and its revision.

    Raises:
        NotFound: there is none.
        Gone: it has been deleted.
    """
    key = _existing_key(record_id)
    found = await read_record(connection, key)
    if found is None:
        raise await _missing(connection, key)
    return found


async def _missing(connection: AsyncConnection, key: RecordKey) -> NotFound | Gone:
    """Why there is no such record."""
    changed = await read_last_change(connection, key)
    if changed is None or changed.edited_at is None or key[1] < await stored_since(connection):
        return _no_record()
    return Gone(f"it has been deleted: {changed.edited_by} was the last to change it, at {_told(changed.edited_at)}")


def _told(at: datetime) -> str:
    return outside(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def _refuse(rejected: Rejected | None, field: str) -> None:
    if rejected is not None:
        named = _FIELDS.get(rejected.reason, field)
        raise InvalidRequest(f"check {named}", errors=[FieldError(field=named, message=rejected.detail)])


async def create_record(engine: AsyncEngine, actor: Actor, new: NewRecord) -> tuple[Record, Revision]:
    """Store a reading by hand, by the rules that hold for every reading.

    Raises:
        InvalidRequest: a field breaks a rule; the problem names it.
        Conflict: the series has a record at this instant.
    """
    bounds = TimeBounds.around(time.time_ns() // 1_000)
    _refuse(check_series(new.source, new.category, new.unit), "source")
    _refuse(check_time(microseconds(new.observed_at), bounds), "observed_at")
    _refuse(check_value(new.value), "value")

    async def work(connection: AsyncConnection) -> tuple[int, tuple[Record, Revision] | None]:
        created = await edits.create_record(
            connection,
            actor,
            source=new.source,
            category=new.category,
            unit=new.unit,
            observed_at=new.observed_at,
            values=edits.RecordValues(new.value, new.note),
        )
        return created.audit_id, await read_record(connection, (created.series_id, new.observed_at))

    try:
        stored = await change_once(engine, work, partial(has_audit, actor=actor))
    except edits.RecordExists as error:
        raise Conflict(
            f"{new.source} · {new.category} has a record at {new.observed_at.isoformat()}Z already: edit that one"
        ) from error
    except edits.UnitDiffers as error:
        message = f"must be {error.args[0]!r}, as of all records of this series" if error.args[0] else (
            "must be absent: the records of this series have none"
        )  # fmt: skip
        raise InvalidRequest(f"unit {message}", errors=[FieldError(field="unit", message=message)]) from error
    except edits.OutsideHorizon as error:
        message = "lies outside of the time for which records are kept"
        raise InvalidRequest(
            f"observed_at {message}", errors=[FieldError(field="observed_at", message=message)]
        ) from error
    if stored is None:
        raise _no_record()
    return stored


async def change_record(
    engine: AsyncEngine, actor: Actor, record_id: str, change: RecordChange, expected: edits.RecordVersion | None
) -> tuple[Record, Revision]:
    """Change value, note or both.

    Raises:
        NotFound: there is no such record.
        Gone: it has been deleted.
        PreconditionFailed: somebody changed it since the version ``expected``; the problem says who and when.
        InvalidRequest: the value breaks a rule.
        Conflict: it is past the retention.
    """
    series_id, observed_at = key = _existing_key(record_id)
    if change.value is not None:
        _refuse(check_value(change.value), "value")

    async def work(connection: AsyncConnection) -> tuple[int, tuple[Record, Revision] | None]:
        audit_id = await edits.edit_record(
            connection,
            actor,
            series_id,
            observed_at,
            expected=expected,
            value=change.value,
            change_note="note" in change.model_fields_set,
            note=change.note,
        )
        return audit_id, await read_record(connection, key)

    changed = await _attempt(engine, actor, "record.edit", key, work)
    if changed is None:
        raise _no_record()
    return changed


async def delete_record(
    engine: AsyncEngine, actor: Actor, record_id: str, expected: edits.RecordVersion | None
) -> None:
    """Delete a record.

    Raises:
        NotFound: there is no such record.
        Gone: it has been deleted already.
        PreconditionFailed: somebody changed it since the version ``expected``; the problem says who and when.
        Conflict: it is past the retention.
    """
    series_id, observed_at = key = _existing_key(record_id)

    async def work(connection: AsyncConnection) -> tuple[int, None]:
        return await edits.delete_record(connection, actor, series_id, observed_at, expected=expected), None

    await _attempt(engine, actor, "record.delete", key, work)


async def _attempt(
    engine: AsyncEngine,
    actor: Actor,
    action: str,
    key: RecordKey,
    work: Callable[[AsyncConnection], Awaitable[tuple[int, Result]]],
) -> Result:
    """Run a change of the record ``key``; where it is refused, the problem says why.

    A change that came too late is noted in the audit trail: somebody believes that the record is another.
    """
    try:
        return await change_once(engine, work, partial(has_audit, actor=actor))
    except edits.RecordMissing as error:
        async with engine.connect() as connection:
            raise await _missing(connection, key) from error
    except edits.RevisionDiffers as error:
        refused = partial(edits.note_refusal, actor=actor, action=action, series_id=key[0], observed_at=key[1])
        await in_transaction(engine, refused)
        raise _changed_meanwhile(error) from error
    except edits.OutsideHorizon as error:
        raise Conflict("it is older than what is kept: it will be dropped with the records beside it") from error


def _changed_meanwhile(error: edits.RevisionDiffers) -> PreconditionFailed:
    headers = {"ETag": etag_of(error.version)}
    if error.version.revision == 0:
        detail = "nobody has changed this record: read it again and use the ETag that it has now"
        return PreconditionFailed(detail, headers=headers)
    return PreconditionFailed(
        f"{error.edited_by} changed this record at {_told(error.edited_at)}: read it again, then decide",
        headers=headers,
    )
