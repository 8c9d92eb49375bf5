"""Reading the ledger: what producers say they published against what the writer has settled."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telltale_query.instants import outside
from telltale_query.ledger.schemas import Ledger, LedgerFigures, ProducerLedger

PRODUCERS_SHOWN = 1_000

# Settled are all numbers up to the watermark and those of ``deliveries`` above it. Of the numbers up to ``proven`` none
# can still be on its way, so those that are not settled are missing. What is settled without a gap reached the broker,
# whether its producer has said so yet or not. Signed, since differences may pass through zero.
_ACCOUNTS = """
SELECT p.producer, p.service, p.closed, p.seen_at, p.stored, p.dead, p.repeated, p.dropped, p.redelivered,
  GREATEST(p.confirmed, p.watermark) AS confirmed,
  GREATEST(p.published, p.confirmed, p.watermark, COALESCE(above.last, 0)) AS published,
  GREATEST(0, CAST(p.proven AS SIGNED) - CAST(p.watermark AS SIGNED)) - COALESCE(above.proven, 0) AS missing
FROM producers AS p
LEFT JOIN (
  SELECT d.producer_id, MAX(d.last) AS last,
    SUM(GREATEST(0, LEAST(CAST(d.last AS SIGNED), CAST(q.proven AS SIGNED))
                    - GREATEST(CAST(d.first AS SIGNED), CAST(q.watermark AS SIGNED) + 1) + 1)) AS proven
  FROM deliveries AS d JOIN producers AS q ON q.id = d.producer_id
  GROUP BY d.producer_id
) AS above ON above.producer_id = p.id
"""
_FIGURES = ("published", "confirmed", "stored", "dead", "missing", "repeated", "dropped", "redelivered")
_NEWEST = text(f"{_ACCOUNTS} ORDER BY p.seen_at DESC, p.id DESC LIMIT {PRODUCERS_SHOWN}")
_TOTALS = text(
    f"SELECT {', '.join(f'COALESCE(SUM({name}), 0) AS {name}' for name in _FIGURES)} FROM ({_ACCOUNTS}) AS accounts"  # noqa: S608 - constants only
)


def _figures(row: object) -> dict[str, int]:
    figures = {name: int(getattr(row, name)) for name in _FIGURES}
    settled = figures["stored"] + figures["repeated"] + figures["dead"]
    return {**figures, "in_flight": figures["published"] - settled - figures["missing"]}


async def read_totals(connection: AsyncConnection) -> LedgerFigures:
    """The figures of all producers together."""
    return LedgerFigures(**_figures((await connection.execute(_TOTALS)).one()))


async def read_ledger(connection: AsyncConnection) -> Ledger:
    """The whole ledger."""
    producers = [
        ProducerLedger(
            **_figures(row),
            producer=row.producer,
            service=row.service,
            closed=bool(row.closed),
            last_seen_at=outside(row.seen_at),
        )
        for row in await connection.execute(_NEWEST)
    ]
    return Ledger(producers, await read_totals(connection))
