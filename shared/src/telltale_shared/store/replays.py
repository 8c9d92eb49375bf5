"""Replaying dead letters: what was refused is tried again, in one transaction with its ledger.

A number that is dead and becomes a record is one dead number less and one stored number more, on the day of the
replay; it is settled before and after, so nothing can be stored twice, whoever replays, and however often. A letter is
open until its ``resolution`` is set in that same transaction.

Locks are taken in the writer's order: producers, then what holds the readings. Letters come between; only replays lock
them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Row, bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.contracts import MalformedMessage, ReadingBatch, SeriesKey, decode
from telltale_shared.instants import instant, microseconds
from telltale_shared.store import rollups
from telltale_shared.store.dead_letters import DeadLetter, bury
from telltale_shared.store.horizons import hold_horizon
from telltale_shared.store.ledger import DAY_FIGURES, note_day
from telltale_shared.store.ledger_upkeep import FOLDED
from telltale_shared.store.records import Columns, Outcome, advance_latest, insert_records, key_order
from telltale_shared.store.schema import dead_letters
from telltale_shared.store.series import NewSeries, find_or_create_series
from telltale_shared.validation import (
    CONFLICT,
    Rejected,
    TimeBounds,
    check_series,
    check_time,
    check_unit,
    check_value,
)

REPLAYED, DISCARDED = "replayed", "discarded"
"""Resolutions of a letter."""

_PRODUCERS_OF = select(dead_letters.c.producer).distinct()
_LOCK_PRODUCERS = text("SELECT id, producer FROM producers WHERE producer IN :names ORDER BY id FOR UPDATE").bindparams(
    bindparam("names", expanding=True)
)
_RECOUNT = text("""
UPDATE producers SET dead = dead - :gone, stored = stored + :stored, repeated = repeated + :repeated WHERE id = :id
""")

CUT_OFF = Rejected("cut_off", "only the beginning of the message is kept")
NO_READING = Rejected("no_reading", "it is no reading, but an event of a service")
UNKNOWN_NUMBERS = Rejected("unknown_numbers", "nobody knows which numbers of which producer it stands for")
OVERLAP = Rejected("overlap", "its numbers are settled by another delivery")


class SingleReading(msgspec.Struct, frozen=True):
    """The payload of a letter that is about one reading."""

    source: Any
    category: Any
    observed_at: Any
    value: Any
    unit: Any = None


_single: msgspec.json.Decoder[SingleReading] = msgspec.json.Decoder(SingleReading)


@dataclass(frozen=True, slots=True)
class _Reading:
    key: SeriesKey
    observed_at: int
    value: float


@dataclass
class Replayed:
    """What became of some letters."""

    letters: int = 0
    """Letters that are resolved now."""
    stored: int = 0
    """Of their readings: became records."""
    repeated: int = 0
    """Of their readings: a record with the same value is there."""
    refused: dict[str, int] = field(default_factory=dict)
    """Readings that are still dead, by reason."""

    def refuse(self, rejected: Rejected, count: int = 1) -> None:
        """Count what is still refused."""
        self.refused[rejected.reason] = self.refused.get(rejected.reason, 0) + count


@dataclass(eq=False)
class _Attempt:
    """One letter and what became of each reading in it."""

    letter: Any
    """A row of ``dead_letters``."""
    readings: list[_Reading | Rejected]
    """By number: what to store, or why not."""
    problem: Rejected | None = None
    """Why nothing of it can be tried."""
    stored: int = 0
    repeated: int = 0

    @property
    def is_resolved(self) -> bool:
        """Whether anything of it is stored; what of a longer letter is not becomes letters of its own."""
        return self.stored + self.repeated > 0


def read_letter(letter: Any, bounds: TimeBounds) -> list[_Reading | Rejected] | Rejected:
    """The readings that a row of ``dead_letters`` stands for, checked again; or why it cannot be replayed at all."""
    if letter.reason == OVERLAP.reason:
        return OVERLAP
    if not letter.numbers:
        return NO_READING
    if letter.producer is None or letter.number is None:
        return UNKNOWN_NUMBERS
    payload = bytes(letter.payload)
    if hashlib.sha256(payload).digest() != bytes(letter.fingerprint):
        return CUT_OFF
    try:
        message = decode(payload)
    except MalformedMessage as error:
        return _read_single(payload, bounds, error) if letter.numbers == 1 else Rejected("malformed", str(error))
    if not isinstance(message, ReadingBatch):
        return NO_READING
    if (message.producer, message.first, message.count) != (letter.producer, letter.number, letter.numbers):
        return UNKNOWN_NUMBERS
    if not len(message.index) == len(message.observed_at) == message.count:
        return Rejected("malformed", "its columns are not equally long")
    return [
        _check(message.series[which], at, value, bounds)
        if 0 <= which < len(message.series)
        else Rejected("bad_index", f"no series number {which} in this delivery")
        for which, at, value in zip(message.index, message.observed_at, message.value, strict=True)
    ]


def _read_single(
    payload: bytes, bounds: TimeBounds, malformed: MalformedMessage
) -> list[_Reading | Rejected] | Rejected:
    try:
        one = _single.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Rejected("malformed", str(malformed))
    return [_check(SeriesKey(one.source, one.category, one.unit), one.observed_at, one.value, bounds)]


def _check(key: SeriesKey, at: Any, value: Any, bounds: TimeBounds) -> _Reading | Rejected:
    rejected = check_series(key.source, key.category, key.unit) or check_time(at, bounds) or check_value(value)
    return rejected or _Reading(key, at, float(value))


async def replay_letters(
    connection: AsyncConnection, ids: Sequence[int], *, by: str, now: int, retention: int
) -> Replayed:
    """Try the open ones of the letters ``ids`` again.

    Args:
        connection: in the caller's transaction.
        ids: of letters; resolved ones among them are left alone.
        by: the name of whoever wants it.
        now: µs since 1970-01-01 UTC.
        retention: how long records are kept, µs.

    Raises:
        InsertRaced: somebody else stored one of the readings meanwhile: run the transaction again.
    """
    accounts = await _lock_accounts(connection, ids)
    horizon = await hold_horizon(connection)
    bounds = TimeBounds.around(now, retention=retention)
    if horizon is not None:  # the rollups still hold what was dropped: what comes back would count twice
        bounds = TimeBounds(max(bounds.earliest, microseconds(horizon)), bounds.latest)
    attempts = []
    for letter in await lock_open(connection, ids):
        found = read_letter(letter, bounds)
        attempts.append(_Attempt(letter, [], found) if isinstance(found, Rejected) else _Attempt(letter, found))
    await _store(connection, attempts, now=now)
    await _resolve(connection, attempts, by=by, now=now)
    await _recount(connection, accounts, attempts, now=now)
    return _summary(attempts)


async def discard_letters(connection: AsyncConnection, ids: Sequence[int], *, by: str, now: int) -> int:
    """Say of the open ones of the letters ``ids`` that nobody wants them; their numbers stay dead. Returns how many."""
    found = [letter.id for letter in await lock_open(connection, ids)]
    await _mark(connection, found, DISCARDED, by=by, now=now)
    return len(found)


async def lock_open(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Those of the letters ``ids`` that nobody has resolved, locked, in the order of their ids."""
    columns = [column for column in dead_letters.columns if column.name != "count"]
    # Rows are tuples, which have a count of their own.
    statement = select(*columns, dead_letters.c.count.label("numbers"))
    statement = statement.where(dead_letters.c.id.in_(ids), dead_letters.c.resolution.is_(None))
    return (await connection.execute(statement.order_by(dead_letters.c.id).with_for_update())).all()


async def _lock_accounts(connection: AsyncConnection, ids: Sequence[int]) -> dict[str, int]:
    """The ids of the producers of the letters ``ids``, by name, locked."""
    named = await connection.execute(_PRODUCERS_OF.where(dead_letters.c.id.in_(ids)))
    names = {name for name in named.scalars() if name is not None} | {FOLDED}
    found = await connection.execute(_LOCK_PRODUCERS, {"names": sorted(names)})
    return {row.producer: row.id for row in found}


async def _store(connection: AsyncConnection, attempts: Sequence[_Attempt], *, now: int) -> None:
    """Store what is good; what is not becomes a :class:`Rejected` in its place."""
    places = [
        (attempt, place, reading)
        for attempt in attempts
        for place, reading in enumerate(attempt.readings)
        if isinstance(reading, _Reading)
    ]
    wanted: dict[tuple[str, str], NewSeries] = {}
    for _, _, reading in places:
        wanted.setdefault((reading.key.source, reading.key.category), NewSeries(reading.key.unit, reading.value))
    series = await find_or_create_series(connection, wanted, now=now) if wanted else {}
    kept = []
    for attempt, place, reading in places:
        one = series[reading.key.source, reading.key.category]
        if rejected := check_unit(reading.key.unit, one.unit):
            attempt.readings[place] = rejected
        else:
            kept.append((attempt, place, reading, one))
    if not kept:
        return
    columns = Columns(
        np.array([one.id for *_, one in kept], np.int64),
        np.array([reading.observed_at for _, _, reading, _ in kept], np.int64),
        np.array([reading.value for _, _, reading, _ in kept], np.float64),
    )
    order = key_order(columns)
    columns = columns.take(order)
    outcomes = await insert_records(connection, columns)
    fresh = outcomes == Outcome.STORED
    await advance_latest(connection, columns.take(fresh))
    origins = np.array([one.origin for *_, one in kept])[order]
    await rollups.add(connection, columns.take(fresh), origins[fresh])
    for position, outcome in zip(order.tolist(), outcomes.tolist(), strict=True):
        attempt, place, _, _ = kept[position]
        attempt.stored += outcome == Outcome.STORED
        attempt.repeated += outcome == Outcome.REPEATED
        if outcome == Outcome.CONFLICT:
            attempt.readings[place] = CONFLICT


async def _resolve(connection: AsyncConnection, attempts: Sequence[_Attempt], *, by: str, now: int) -> None:
    """Mark the letters of which something is stored; what is left of a longer one becomes letters of its own."""
    rest = []
    for attempt in attempts:
        if attempt.is_resolved:
            rest += _letters_left(attempt)
    await _mark(connection, [one.letter.id for one in attempts if one.is_resolved], REPLAYED, by=by, now=now)
    await bury(connection, rest, now=now)


def _letters_left(attempt: _Attempt) -> list[DeadLetter]:
    refused = [(offset, one) for offset, one in enumerate(attempt.readings) if isinstance(one, Rejected)]
    if not refused:
        return []
    message = decode(bytes(attempt.letter.payload))
    assert isinstance(message, ReadingBatch)  # noqa: S101 - only a delivery has some readings good and some not
    letters = []
    for offset, rejected in refused:
        which = message.index[offset]
        key = message.series[which] if 0 <= which < len(message.series) else SeriesKey("", "")
        at, value = message.observed_at[offset], message.value[offset]
        payload = msgspec.json.encode(SingleReading(key.source, key.category, at, value, key.unit))
        number = attempt.letter.number + offset
        letters.append(DeadLetter(rejected.reason, rejected.detail, payload, attempt.letter.producer, number))
    return letters


async def _mark(connection: AsyncConnection, ids: Sequence[int], resolution: str, *, by: str, now: int) -> None:
    if ids:
        resolved = {"resolution": resolution, "resolved_by": by[:100], "resolved_at": instant(now)}
        await connection.execute(update(dead_letters).where(dead_letters.c.id.in_(ids)).values(resolved))


async def _recount(
    connection: AsyncConnection, accounts: dict[str, int], attempts: Iterable[_Attempt], *, now: int
) -> None:
    """Move numbers from dead to stored and repeated, in each producer's figures and in those of the day."""
    moved: dict[int, list[int]] = {}
    for attempt in attempts:
        if attempt.is_resolved:
            account = accounts.get(attempt.letter.producer, accounts.get(FOLDED))
            if account is not None:
                counts = moved.setdefault(account, [0, 0])
                counts[0] += attempt.stored
                counts[1] += attempt.repeated
    for account, (stored, repeated) in sorted(moved.items()):
        gone = stored + repeated
        counts_now = {"gone": gone, "stored": stored, "repeated": repeated}
        await connection.execute(_RECOUNT, {"id": account, **counts_now})
        changes = {**dict.fromkeys(DAY_FIGURES, 0), "stored": stored, "repeated": repeated, "dead": -gone}
        await note_day(connection, account, instant(now).date(), changes)


def _summary(attempts: Iterable[_Attempt]) -> Replayed:
    summary = Replayed()
    for attempt in attempts:
        summary.letters += attempt.is_resolved
        summary.stored += attempt.stored
        summary.repeated += attempt.repeated
        if attempt.problem is not None:
            summary.refuse(attempt.problem, max(1, attempt.letter.numbers))
        for reading in attempt.readings:
            if isinstance(reading, Rejected):
                summary.refuse(reading)
    return summary
