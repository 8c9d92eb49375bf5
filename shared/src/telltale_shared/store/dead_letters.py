"""Dead letters: what could not be stored, with the reason and the payload."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_shared.instants import instant

PAYLOAD_MAX = 65_536
"""Bytes of a payload that are kept."""
DETAIL_MAX = 500
BURIED_AT_ONCE = 200
"""Letters in one statement: the largest of them fit into the server's default packet."""

_INSERT = text("""
INSERT INTO dead_letters (reason, detail, producer, number, `count`, payload, fingerprint, arrived_at)
VALUES (:reason, :detail, :producer, :number, :count, :payload, :fingerprint, :arrived_at)
""")
_FORGET = text("DELETE FROM dead_letters WHERE arrived_at < :before ORDER BY arrived_at LIMIT :n")
FORGOTTEN_AT_ONCE = 1_000
_KNOWN = text("SELECT 1 FROM dead_letters WHERE fingerprint = :fingerprint AND reason = :reason LIMIT 1")


@dataclass(frozen=True)
class DeadLetter:
    """One reading, or one message that names no readings, that will not be stored."""

    reason: str
    detail: str
    payload: bytes
    producer: str | None = None
    number: int | None = None
    count: int = 1
    """How many readings it stands for, which are the numbers from ``number`` on; none where it is an event."""
    maybe_known: bool = False
    """Whether it may have been stored before, and only its fingerprint can tell, since no settled number does."""

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the whole payload."""
        return hashlib.sha256(self.payload).digest()

    def after_an_attempt(self) -> "DeadLetter":
        """The same once somebody tried to store it: the answer to a COMMIT can be what was lost."""
        return self if self.number is not None else replace(self, maybe_known=True)


async def bury(connection: AsyncConnection, letters: Sequence[DeadLetter], *, now: int) -> None:
    """Store ``letters``; one that may be known already is stored only if its fingerprint is not."""
    rows = [
        {
            "reason": letter.reason,
            "detail": letter.detail[:DETAIL_MAX],
            "producer": letter.producer,
            "number": letter.number,
            "count": letter.count,
            "payload": letter.payload[:PAYLOAD_MAX],
            "fingerprint": letter.fingerprint,
            "arrived_at": instant(now),
        }
        for letter in letters
        if not (letter.maybe_known and await _is_known(connection, letter))
    ]
    for begin in range(0, len(rows), BURIED_AT_ONCE):
        await connection.execute(_INSERT, rows[begin : begin + BURIED_AT_ONCE])


async def forget_dead_letters(connection: AsyncConnection, *, before: datetime) -> int:
    """Remove some of those that arrived before ``before`` (naive UTC); the ledger goes on counting them.

    Returns how many; 0 when none is left.
    """
    return (await connection.execute(_FORGET, {"before": before, "n": FORGOTTEN_AT_ONCE})).rowcount


async def _is_known(connection: AsyncConnection, letter: DeadLetter) -> bool:
    found = await connection.execute(_KNOWN, {"fingerprint": letter.fingerprint, "reason": letter.reason})
    return found.first() is not None
