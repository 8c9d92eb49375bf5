"""What the ledger looks like outside."""

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import Field

from telltale_query.filters import PageQuery, RangeQuery
from telltale_shared.store.ledger_figures import LedgerFigures

__all__ = ["Day", "DayQuery", "Days", "Ledger", "LedgerFigures", "MissingQuery", "MissingRun", "ProducerLedger"]


@dataclass(frozen=True, slots=True)
class ProducerLedger(LedgerFigures):
    """The figures of one producer: one running publisher."""

    producer: str
    """Empty: those that ended long ago, together."""
    service: str
    closed: bool
    """Whether it will never publish again."""
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Ledger:
    """The proof that nothing was lost.

    Over a range each figure is by how much it changed then: what was published before and settled in the range lets
    ``in_flight`` shrink, and ``missing`` shrinks when something missing turns up.
    """

    from_day: date | None
    """The first UTC day of the range; null: from the beginning on."""
    to_day: date | None
    """The last one; null: up to now."""
    producers: list[ProducerLedger]
    """Last seen first; those that were seen longest ago are left out when there are very many."""
    totals: LedgerFigures
    """Over all producers there ever were."""


class DayQuery(RangeQuery):
    """Which days."""

    producer: str | None = Field(None, max_length=64, description="Only of this producer; else of all together.")


@dataclass(frozen=True, slots=True)
class Day(LedgerFigures):
    """By how much each figure changed on one UTC day."""

    day: date | None
    """Null: all that is older than the days that are kept."""


@dataclass(frozen=True, slots=True)
class Days:
    """The ledger by UTC day, newest first."""

    days: list[Day]


class MissingQuery(PageQuery):
    """Which missing numbers."""

    producer: str | None = Field(None, max_length=64, description="Only of this producer.")


@dataclass(frozen=True, slots=True)
class MissingRun:
    """Numbers of one producer in a row that are missing, both ends included."""

    producer: str
    first: int
    last: int
    count: int
