"""What the ledger looks like outside."""

from dataclasses import dataclass
from datetime import datetime

from telltale_shared.store.ledger_figures import LedgerFigures

__all__ = ["Ledger", "LedgerFigures", "ProducerLedger"]


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
