"""The ledger: per producer, which numbers are settled and how.

Numbered = stored + repeated + dead + missing + in flight.

A number is settled in the transaction that stores its reading, so a delivery that comes again is recognised and
changes nothing. Numbers settled without a gap are one watermark; deliveries above a gap are rows of their own until
the gap closes. Deliveries that join are one row, so that a number lost for good costs one row and not one for each
delivery after it. Of those rows only the neighbours of what is to be settled are read, however many there are.

Every change of a producer's figures is noted on the UTC day it was made, too: summed up, its days are its figures.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from sqlalchemy import Executable, Row, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.contracts import ProducerState
from telltale_shared.instants import instant

_INSERT_PRODUCER = text(
    "INSERT IGNORE INTO producers (producer, service, first_seen_at, seen_at) VALUES (:producer, :service, :now, :now)"
)
_LOCK_PRODUCERS = text("""
SELECT id, producer, watermark, proven, published, confirmed, missing FROM producers
WHERE producer IN :names ORDER BY id FOR UPDATE
""").bindparams(bindparam("names", expanding=True))
_WITH_RUNS = text(
    "SELECT producer_id, MIN(first) AS first FROM deliveries WHERE producer_id IN :ids GROUP BY producer_id"
).bindparams(bindparam("ids", expanding=True))
_RUNS = text("""
SELECT first, last FROM deliveries WHERE producer_id = :id AND first <= :high
  AND first >= COALESCE((SELECT MAX(first) FROM deliveries WHERE producer_id = :id AND first <= :low), 0)
""")
_WRITE_RUN = text("""
INSERT INTO deliveries (producer_id, first, last) VALUES (:id, :first, :last)
ON DUPLICATE KEY UPDATE last = VALUES(last)
""")
_DELETE_RUN = text("DELETE FROM deliveries WHERE producer_id = :id AND first = :first")
_SETTLE = text("""
UPDATE producers SET watermark = :watermark, proven = :proven, published = :published, confirmed = :confirmed,
  missing = :missing, stored = stored + :stored, repeated = repeated + :repeated, dead = dead + :dead,
  redelivered = redelivered + :redelivered, seen_at = :now
WHERE id = :id
""")
DAY_FIGURES = ("published", "confirmed", "stored", "repeated", "dead", "missing", "dropped", "redelivered")
"""What is noted of each day: by how much each figure changed."""
_NOTE_DAY = text(f"""
INSERT INTO producer_days (producer_id, day, {", ".join(DAY_FIGURES)})
VALUES (:id, :day, {", ".join(f":{name}" for name in DAY_FIGURES)})
ON DUPLICATE KEY UPDATE {", ".join(f"{name} = {name} + VALUES({name})" for name in DAY_FIGURES)}
""")  # noqa: S608 - constants only
_LOCK_REPORTED = text("""
SELECT id, producer, published, confirmed, dropped, closed FROM producers
WHERE producer IN :names ORDER BY id FOR UPDATE
""").bindparams(bindparam("names", expanding=True))
_REPORT = text("""
UPDATE producers SET published = :published, confirmed = :confirmed, dropped = :dropped, closed = :closed,
  seen_at = GREATEST(seen_at, :now)
WHERE id = :id
""")


class Standing(Enum):
    """How a delivery stands to what is settled already."""

    NEW = "new"
    REDELIVERED = "redelivered"
    """All of its numbers are settled: storing it again would be a no-op."""
    OVERLAPPING = "overlapping"
    """Some of its numbers are settled in a delivery that was cut differently, which no honest producer does."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one delivery."""

    producer: str
    service: str
    first: int
    last: int
    confirmed: int
    """What the delivery says was confirmed before it was published."""


@dataclass
class Account:
    """One producer's settled numbers while its row is locked, and what this transaction adds to them."""

    id: int
    watermark: int
    above: dict[int, int]
    """Settled runs of numbers above the watermark, no two of which join: first → last number. All of them, or those
    that :func:`open_accounts` reads."""
    proven: int = 0
    """Every number up to it must be settled by now."""
    published: int = 0
    confirmed: int = 0
    missing: int = 0
    """Numbers up to ``proven`` that are not settled."""
    stored: int = 0
    repeated: int = 0
    dead: int = 0
    redelivered: int = 0
    _found: "_Found" = field(init=False)

    def __post_init__(self) -> None:
        self._found = _Found(dict(self.above), self.published, self.confirmed, self.missing)

    def claim(self, numbers: Numbers) -> Standing:
        """Take ``numbers`` for this transaction if none of them is settled."""
        first, last = numbers.first, numbers.last
        if last <= self.watermark or any(begin <= first and last <= end for begin, end in self.above.items()):
            self.redelivered += last - first + 1
            return Standing.REDELIVERED
        if first <= self.watermark or any(begin <= last and first <= end for begin, end in self.above.items()):
            return Standing.OVERLAPPING
        self.published = max(self.published, last)
        self._prove(min(numbers.confirmed, first - 1))
        self.missing -= _common(first, last, 1, self.proven)
        last = self.above.pop(last + 1, last)
        if first == self.watermark + 1:
            self.watermark = last
        else:
            joined = next((begin for begin, end in self.above.items() if end == first - 1), first)
            self.above[joined] = last
        # What is settled without a gap reached the broker, whether its producer has said so yet or not.
        self.confirmed = max(self.confirmed, self.watermark, self.proven)
        return Standing.NEW

    def _prove(self, number: int) -> None:
        """All up to ``number`` must be settled by now: what is not is missing from now on."""
        if number <= self.proven:
            return
        begin = self.proven + 1
        settled = _common(1, self.watermark, begin, number)
        settled += sum(_common(first, last, begin, number) for first, last in self.above.items())
        self.missing += number - self.proven - settled
        self.proven = number

    @property
    def gone(self) -> list[int]:
        """First numbers of the runs that were there and have joined what is before them."""
        return [first for first in self._found.above if first not in self.above]

    @property
    def changed(self) -> dict[int, int]:
        """Runs that are new or longer than they were."""
        return {first: last for first, last in self.above.items() if self._found.above.get(first) != last}

    @property
    def changes(self) -> dict[str, int]:
        """By how much this transaction changes each of :data:`DAY_FIGURES`."""
        return {
            "published": self.published - self._found.published,
            "confirmed": self.confirmed - self._found.confirmed,
            "stored": self.stored,
            "repeated": self.repeated,
            "dead": self.dead,
            "missing": self.missing - self._found.missing,
            "dropped": 0,
            "redelivered": self.redelivered,
        }


@dataclass(frozen=True, slots=True)
class _Found:
    """An account as it was when its row was locked."""

    above: dict[int, int]
    published: int
    confirmed: int
    missing: int


def _common(first: int, last: int, begin: int, end: int) -> int:
    """How many numbers the runs ``first … last`` and ``begin … end`` have in common."""
    return max(0, min(last, end) - max(first, begin) + 1)


async def open_accounts(connection: AsyncConnection, deliveries: Iterable[Numbers], *, now: int) -> dict[str, Account]:
    """Lock and read the accounts of the producers of ``deliveries``, by producer; unknown ones are created.

    They can tell how ``deliveries`` stand and settle them, and no others.
    """
    wanted: dict[str, list[Numbers]] = {}
    for numbers in deliveries:
        wanted.setdefault(numbers.producer, []).append(numbers)
    if not wanted:
        return {}
    services = {name: runs[-1].service for name, runs in wanted.items()}
    locked = await _lock(connection, _LOCK_PRODUCERS, services, now=now)
    with_runs = {row.producer_id for row in await connection.execute(_WITH_RUNS, {"ids": [row.id for row in locked]})}
    accounts = {}
    for row in locked:
        above = {}
        if row.id in with_runs:
            low, high = neighbourhood(wanted[row.producer], proven=row.proven)
            found = await connection.execute(_RUNS, {"id": row.id, "low": low, "high": high})
            above = {run.first: run.last for run in found}
        accounts[row.producer] = Account(
            row.id, row.watermark, above, row.proven, row.published, row.confirmed, row.missing
        )
    return accounts


def neighbourhood(deliveries: Iterable[Numbers], *, proven: int) -> tuple[int, int]:
    """Where all runs of a producer lie that touch its ``deliveries`` or what these prove.

    From the last run that begins at the first of the two numbers, or before it, up to the second one.
    """
    runs = list(deliveries)
    first = min(one.first for one in runs)
    if any(min(one.confirmed, one.first - 1) > proven for one in runs):
        first = min(first, proven + 1)
    return first - 1, max(one.last for one in runs) + 1


async def _lock(
    connection: AsyncConnection, statement: Executable, services: Mapping[str, str], *, now: int
) -> Sequence[Row[Any]]:
    """The rows of the producers in ``services`` (name → service), locked in the order of their ids."""
    locked = (await connection.execute(statement, {"names": sorted(services)})).all()
    unknown = sorted(services.keys() - {row.producer for row in locked})
    if unknown:
        await connection.execute(
            _INSERT_PRODUCER,
            [{"producer": name, "service": services[name][:64], "now": instant(now)} for name in unknown],
        )
        locked = (await connection.execute(statement, {"names": sorted(services)})).all()
    return locked


async def settle(connection: AsyncConnection, accounts: Iterable[Account], *, now: int) -> None:
    """Write what this transaction added to ``accounts``."""
    at = instant(now)
    for account in accounts:
        await connection.execute(
            _SETTLE,
            {
                "id": account.id,
                "watermark": account.watermark,
                "proven": account.proven,
                "published": account.published,
                "confirmed": account.confirmed,
                "missing": account.missing,
                "stored": account.stored,
                "repeated": account.repeated,
                "dead": account.dead,
                "redelivered": account.redelivered,
                "now": at,
            },
        )
        if any(account.changes.values()):
            await note_day(connection, account.id, at.date(), account.changes)
        if account.gone:
            await connection.execute(_DELETE_RUN, [{"id": account.id, "first": first} for first in account.gone])
        if account.changed:
            await connection.execute(
                _WRITE_RUN,
                [{"id": account.id, "first": first, "last": last} for first, last in account.changed.items()],
            )


async def note_day(connection: AsyncConnection, producer_id: int, day: date, changes: Mapping[str, int]) -> None:
    """Note by how much each of :data:`DAY_FIGURES` of a producer changes, whose row the caller holds."""
    await connection.execute(_NOTE_DAY, {"id": producer_id, "day": day, **changes})


async def report_producers(
    connection: AsyncConnection, states: Iterable[tuple[str, ProducerState]], *, now: int
) -> None:
    """Take over what producers say of themselves: (service, state) pairs from heartbeats, in any order."""
    told: dict[str, list[ProducerState]] = {}
    services: dict[str, str] = {}
    for service, state in states:
        told.setdefault(state.producer, []).append(state)
        services.setdefault(state.producer, service)
    if not told:
        return
    at = instant(now)
    for row in await _lock(connection, _LOCK_REPORTED, services, now=now):
        about = told[row.producer]
        confirmed = max(row.confirmed, *(state.confirmed for state in about))
        published = max(row.published, confirmed, *(state.published for state in about))
        dropped = max(row.dropped, *(state.dropped for state in about))
        closed = bool(row.closed) or any(state.closed for state in about)
        reported = {"published": published, "confirmed": confirmed, "dropped": dropped}
        await connection.execute(_REPORT, {"id": row.id, **reported, "closed": closed, "now": at})
        changes = {name: value - getattr(row, name) for name, value in reported.items()}
        if any(changes.values()):
            await note_day(connection, row.id, at.date(), {**dict.fromkeys(DAY_FIGURES, 0), **changes})
