"""The figures of the ledger, read cheaply: a row per producer, whatever it has published."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """How many numbers producers gave to readings, and what became of them.

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

    @classmethod
    def of(cls, row: Any) -> "LedgerFigures":
        """From a row with :data:`COLUMNS`."""
        return cls(**figures_of(row))


COLUMNS = ("published", "confirmed", "stored", "dead", "missing", "repeated", "dropped", "redelivered")
"""What the database keeps; ``in_flight`` follows from them."""

_TOTALS = text(f"SELECT {', '.join(f'COALESCE(SUM({name}), 0) AS {name}' for name in COLUMNS)} FROM producers")  # noqa: S608 - constants only


def figures_of(row: Any) -> dict[str, int]:
    """The fields of :class:`LedgerFigures` from a row with :data:`COLUMNS`."""
    figures = {name: int(getattr(row, name)) for name in COLUMNS}
    settled = figures["stored"] + figures["repeated"] + figures["dead"]
    return {**figures, "in_flight": figures["published"] - settled - figures["missing"]}


async def read_totals(connection: AsyncConnection) -> LedgerFigures:
    """The figures of all producers together."""
    return LedgerFigures.of((await connection.execute(_TOTALS)).one())
