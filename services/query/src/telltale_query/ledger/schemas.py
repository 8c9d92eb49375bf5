"""What the ledger looks like outside."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """How many numbers a producer gave to readings, and what became of them.

    published = stored + repeated + dead + missing + in_flight
    """

    published: int
    """Numbers given to readings."""
    confirmed: int
    """Of these, confirmed by the broker."""
    stored: int
    """Became a record."""
    dead: int
    """Became a dead letter, with its reason."""
    missing: int
    """Must have been stored by now and were not: anything but 0 is a fault."""
    repeated: int
    """The same reading was stored before."""
    dropped: int
    """Given up before they got a number, because the producer's spool was full."""
    in_flight: int
    """On their way."""
    redelivered: int
    """Came once more after they were settled, and changed nothing."""


@dataclass(frozen=True, slots=True)
class ProducerLedger(LedgerFigures):
    """The figures of one producer: one running publisher."""

    producer: str
    service: str
    closed: bool
    """Whether it will never publish again."""
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Ledger:
    """The proof that nothing was lost."""

    producers: list[ProducerLedger]
    """Last seen first; those that were seen longest ago are left out when there are very many."""
    totals: LedgerFigures
    """Over all producers there ever were."""
