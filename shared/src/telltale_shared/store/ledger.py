"""The ledger: per producer, which numbers are settled and how. Numbered = stored + repeated + dead + in flight.

A number is settled in the transaction that stores its reading, so a delivery that comes again is recognised and
changes nothing. Numbers settled without a gap are one watermark; deliveries above a gap are rows of their own until
the gap closes. Deliveries that join are one row, so that a number lost for good costs one row and not one for each
delivery after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.contracts import ProducerState
from telltale_shared.instants import instant

_INSERT_PRODUCER = text(
    "INSERT IGNORE INTO producers (producer, service, first_seen_at, seen_at) VALUES (:producer, :service, :now, :now)"
)
_LOCK_PRODUCERS = text(
    "SELECT id, producer, watermark FROM producers WHERE producer IN :names ORDER BY id FOR UPDATE"
).bindparams(bindparam("names", expanding=True))
_DELIVERIES = text(
    "SELECT producer_id, first, last FROM deliveries WHERE producer_id IN :ids ORDER BY producer_id, first"
).bindparams(bindparam("ids", expanding=True))
_WRITE_RUN = text("""
INSERT INTO deliveries (producer_id, first, last) VALUES (:id, :first, :last)
ON DUPLICATE KEY UPDATE last = VALUES(last)
""")
_DELETE_RUN = text("DELETE FROM deliveries WHERE producer_id = :id AND first = :first")
_SETTLE = text("""
UPDATE producers SET watermark = :watermark, proven = GREATEST(proven, :proven),
  published = GREATEST(published, :published), confirmed = GREATEST(confirmed, :proven), stored = stored + :stored,
  repeated = repeated + :repeated, dead = dead + :dead, redelivered = redelivered + :redelivered, seen_at = :now
WHERE id = :id
""")
_SETTLE_DAY = text("""
INSERT INTO producer_days (producer_id, day, stored, repeated, dead) VALUES (:id, :day, :stored, :repeated, :dead)
ON DUPLICATE KEY UPDATE stored = stored + VALUES(stored), repeated = repeated + VALUES(repeated),
  dead = dead + VALUES(dead)
""")
_REPORT = text("""
INSERT INTO producers (producer, service, published, confirmed, dropped, closed, first_seen_at, seen_at)
VALUES (:producer, :service, :published, :confirmed, :dropped, :closed, :now, :now)
ON DUPLICATE KEY UPDATE published = GREATEST(published, VALUES(published)),
  confirmed = GREATEST(confirmed, VALUES(confirmed)), dropped = GREATEST(dropped, VALUES(dropped)),
  closed = closed OR VALUES(closed), seen_at = GREATEST(seen_at, VALUES(seen_at))
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
    """Settled runs of numbers above the watermark, no two of which join: first → last number."""
    published: int = 0
    proven: int = 0
    stored: int = 0
    repeated: int = 0
    dead: int = 0
    redelivered: int = 0
    _found: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._found = dict(self.above)

    def claim(self, numbers: Numbers) -> Standing:
        """Take ``numbers`` for this transaction if none of them is settled."""
        first, last = numbers.first, numbers.last
        if last <= self.watermark or any(begin <= first and last <= end for begin, end in self.above.items()):
            self.redelivered += last - first + 1
            return Standing.REDELIVERED
        if first <= self.watermark or any(begin <= last and first <= end for begin, end in self.above.items()):
            return Standing.OVERLAPPING
        self.published = max(self.published, last)
        self.proven = max(self.proven, min(numbers.confirmed, first - 1))
        last = self.above.pop(last + 1, last)
        if first == self.watermark + 1:
            self.watermark = last
        else:
            joined = next((begin for begin, end in self.above.items() if end == first - 1), first)
            self.above[joined] = last
        return Standing.NEW

    @property
    def gone(self) -> list[int]:
        """First numbers of the runs that were there and have joined what is before them."""
        return [first for first in self._found if first not in self.above]

    @property
    def changed(self) -> dict[int, int]:
        """Runs that are new or longer than they were."""
        return {first: last for first, last in self.above.items() if self._found.get(first) != last}


async def open_accounts(connection: AsyncConnection, deliveries: Iterable[Numbers], *, now: int) -> dict[str, Account]:
    """Lock and read the accounts of the producers of ``deliveries``, by producer; unknown ones are created."""
    services = {numbers.producer: numbers.service for numbers in deliveries}
    if not services:
        return {}
    locked = (await connection.execute(_LOCK_PRODUCERS, {"names": sorted(services)})).all()
    unknown = sorted(services.keys() - {row.producer for row in locked})
    if unknown:
        await connection.execute(
            _INSERT_PRODUCER,
            [{"producer": name, "service": services[name], "now": instant(now)} for name in unknown],
        )
        locked = (await connection.execute(_LOCK_PRODUCERS, {"names": sorted(services)})).all()
    above: dict[int, dict[int, int]] = {row.id: {} for row in locked}
    for row in await connection.execute(_DELIVERIES, {"ids": sorted(above)}):
        above[row.producer_id][row.first] = row.last
    return {row.producer: Account(row.id, row.watermark, above[row.id]) for row in locked}


async def settle(connection: AsyncConnection, accounts: Iterable[Account], *, now: int) -> None:
    """Write what this transaction added to ``accounts``."""
    at = instant(now)
    for account in accounts:
        counts = {"id": account.id, "stored": account.stored, "repeated": account.repeated, "dead": account.dead}
        await connection.execute(
            _SETTLE,
            {
                **counts,
                "watermark": account.watermark,
                "proven": account.proven,
                "published": account.published,
                "redelivered": account.redelivered,
                "now": at,
            },
        )
        if account.stored or account.repeated or account.dead:
            await connection.execute(_SETTLE_DAY, {**counts, "day": at.date()})
        if account.gone:
            await connection.execute(_DELETE_RUN, [{"id": account.id, "first": first} for first in account.gone])
        if account.changed:
            await connection.execute(
                _WRITE_RUN,
                [{"id": account.id, "first": first, "last": last} for first, last in account.changed.items()],
            )


async def report_producers(
    connection: AsyncConnection, states: Iterable[tuple[str, ProducerState]], *, now: int
) -> None:
    """Take over what producers say of themselves: (service, state) pairs from heartbeats."""
    rows = [
        {
            "producer": state.producer,
            "service": service[:64],
            "published": state.published,
            "confirmed": state.confirmed,
            "dropped": state.dropped,
            "closed": state.closed,
            "now": instant(now),
        }
        for service, state in states
    ]
    if rows:
        await connection.execute(_REPORT, rows)
